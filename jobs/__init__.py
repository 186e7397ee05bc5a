"""Everything that touches Ray, the command line, run folders and reports."""
