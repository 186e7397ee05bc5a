"""The embedded VAE and DiT from nothing, on one GPU: scenes are drawn, rendered and encoded while they train."""
