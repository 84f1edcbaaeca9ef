"""Where one model's words end and another's begin: what was shown, and whether a continuation joins it."""
