"""Sessions: who owns them, what their log tells."""
