"""Months in front of a microphone: the listening loop and what looks after it."""
