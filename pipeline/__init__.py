"""Raw footage to shards: schema, video I/O, shots, scores, selection, shards, the synthetic world."""
