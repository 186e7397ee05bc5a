"""Training jobs: VAE, DiT, captioner and CLIP."""
