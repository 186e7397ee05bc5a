"""What becomes of a reply: judged, repaired, refused."""
