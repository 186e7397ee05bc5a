"""What the papers claim, tried on the synthetic world at the scale of a laptop: one script for each claim."""
