"""Spacetime-patch diffusion transformer."""
