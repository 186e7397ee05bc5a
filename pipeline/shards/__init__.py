"""Parquet shards: write, read by byte range, and the loader."""
