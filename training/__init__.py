"""keyword-trainer: makes the models of keyword-detector out of recordings."""
