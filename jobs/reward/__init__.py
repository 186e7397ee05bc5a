"""Fine-tuning a DiT by reward."""
