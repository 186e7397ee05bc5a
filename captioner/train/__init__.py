"""Train and fine-tune captioners."""
