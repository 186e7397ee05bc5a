"""One caption in the wording that each model was trained on, saying what the original says: no more, no less."""
