"""Scores of a clip."""
