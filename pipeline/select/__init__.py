"""Keep or reject clips by query over their scores."""
