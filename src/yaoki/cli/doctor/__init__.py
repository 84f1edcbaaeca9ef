"""`yaoki doctor`."""
