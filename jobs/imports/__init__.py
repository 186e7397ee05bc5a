"""Datasets of others to a run folder of ours: readers of their formats, the plan of an import, its tables."""
