"""What is in a run folder, as tables and pages."""
