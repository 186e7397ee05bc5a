"""The low-resolution pass over a file, and the motion that it shows."""
