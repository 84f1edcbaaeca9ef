"""AI agents that survive."""
