"""Search in the clips of a folder: its tables as they lie, and the CLIP embeddings among them."""
