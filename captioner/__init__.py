"""Short and dense captions of clips from vision-language models."""
