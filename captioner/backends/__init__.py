"""Captioning models: in this process, in vLLM, behind a server."""
