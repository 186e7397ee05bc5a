"""Fine-tuning by reward: draw videos, score them, and train on what sets the good ones apart. Plain PyTorch."""
