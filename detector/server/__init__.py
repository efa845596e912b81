"""Many clients at once: each sends its own sound and is sent what is detected in it."""
