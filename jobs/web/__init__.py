"""What every page of filmstock stands on: guarded app, templates, assets, byte ranges, and the server itself."""
