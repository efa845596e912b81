"""The way in: sources, resampling, the ring and the thread that fills it."""
