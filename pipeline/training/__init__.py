"""What every trainer shares: precision, averaged weights, state on disk."""
