"""Drop-ins for agents that exist already."""
