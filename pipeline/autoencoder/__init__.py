"""Video autoencoders of other projects, as the VAE of ours."""
