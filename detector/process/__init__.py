"""Signals, standard streams, log, supervisor and memory: what a process has to do with the world around it."""
