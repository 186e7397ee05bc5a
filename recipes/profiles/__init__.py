"""Rules of shape and text of published video models: TOML files, named by ``export --model``."""
