"""Turns: one message and its answer, run from the log and to its end."""
