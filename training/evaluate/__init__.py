"""Events, clips, curves and intervals: what a model is worth."""
