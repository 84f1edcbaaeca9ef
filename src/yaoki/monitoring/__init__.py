"""Facts about this process for whoever watches it: it subscribes to notices, and nobody below knows it."""
