"""Networks to learn from."""
