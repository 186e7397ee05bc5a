"""``filmstock view``: look at a run in the browser, move its thresholds, correct it by hand."""
