"""`yaoki chaos`."""
