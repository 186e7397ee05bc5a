"""Serving a checkpoint: a queue of samplings with live progress, a gallery, and an HTTP API."""
