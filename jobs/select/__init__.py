"""From scored clips to a selection."""
