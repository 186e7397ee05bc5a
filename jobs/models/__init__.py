"""The published models that recipes name: what is needed, where it is, fetching it, trying it out."""
