"""From selected clips to captions, and what the pixels say of them."""
