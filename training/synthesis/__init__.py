"""Words from speech synthesisers."""
