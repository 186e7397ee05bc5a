"""From clips and captions to training shards, and from shards to latents."""
