"""Links: a session over one WebSocket."""
