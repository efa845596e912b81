"""Long-running detection from a microphone: the listening loop and what supervises it."""
