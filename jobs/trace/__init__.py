"""Where a clip came from and went, and how a work is taken out of all of it."""
