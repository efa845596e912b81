"""The embedding: a network that hears what many words sound like, distilled from a larger one."""
