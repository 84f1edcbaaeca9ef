"""AG-UI 1.0: runs and threads of its clients."""
