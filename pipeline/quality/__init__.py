"""Measures of any video, made by a model or not: coherence, fluency, relevance, diversity, and distances of sets."""
