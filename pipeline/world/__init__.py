"""A deterministic renderer of scenes with exact truth."""
