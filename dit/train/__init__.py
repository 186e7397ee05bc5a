"""Train the diffusion transformer."""
