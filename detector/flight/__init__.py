"""The flight recorder: what was around a detection, kept and replayed."""
