"""The subjects' clients: each asks one question as its users would, and notes what it heard.

Each runs in the environment of its library, so nothing here imports another library than its own.
"""
