"""Causal video VAE."""
