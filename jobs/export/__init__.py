"""``filmstock export``: our shards in the form that another trainer reads."""
