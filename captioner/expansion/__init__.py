"""Short prompts to captions like those a model was trained on."""
