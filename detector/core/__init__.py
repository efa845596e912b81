"""Samples in, scores and detections out: no threads, no clock, no input or output."""
