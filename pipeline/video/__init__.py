"""Video I/O: probe, decode, cut, encode, isolate."""
