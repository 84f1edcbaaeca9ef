"""`yaoki demo`."""
