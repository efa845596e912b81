"""The folder that a training makes, and what goes into it."""
