"""Text encoders: captions to the token features that condition the DiT."""
