"""CLIP through open_clip: find, run, train and evaluate it."""
