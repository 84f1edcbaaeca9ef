"""Policies of the guard, the clock and notices: pure."""
