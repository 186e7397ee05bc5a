"""From raw videos to scored clips, on Ray Data."""
