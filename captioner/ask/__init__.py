"""What a captioner is shown and asked."""
