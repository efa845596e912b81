"""A word of one's own, from recordings."""
