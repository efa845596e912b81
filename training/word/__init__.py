"""A word of one's own, trained in full: from its spelling, and recordings of it where there are some."""
