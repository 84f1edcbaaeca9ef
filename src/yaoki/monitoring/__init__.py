"""Metrics of this process. It subscribes to the notices of the lower layers, which know nothing of it."""
