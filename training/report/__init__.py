"""The page on a run, and pictures of sound."""
