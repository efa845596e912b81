"""Recordings: where they are found, what is known of them, their samples."""
