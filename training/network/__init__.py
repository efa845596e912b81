"""The network: what it is, how it is trained, and its int8 file."""
