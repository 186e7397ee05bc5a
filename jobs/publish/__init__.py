"""A finished dataset to the Hugging Face hub: its card, its Croissant metadata, its files."""
