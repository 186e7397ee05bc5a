"""What every job needs: command line, console, errors, recipe, run folder, tables, Ray."""
