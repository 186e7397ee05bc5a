"""One source: where it is, its shots, its clips, its captions."""
