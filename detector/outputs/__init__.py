"""The way out: one module for each kind of destination."""
