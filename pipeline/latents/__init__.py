"""Stored latents: a row a clip, text features in a table of their own, an index that all processes of a node share."""
