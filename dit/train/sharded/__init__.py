"""Training of models that no process could hold whole: weights, moments and averages lie in shards (FSDP2)."""
