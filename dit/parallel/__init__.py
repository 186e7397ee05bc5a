"""Context parallelism: one pack of tokens worked on by several processes."""
