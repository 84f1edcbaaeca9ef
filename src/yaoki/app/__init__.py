"""The composition root: settings become objects here, and nowhere else."""

from yaoki.app.serving import hosted, serve

__all__ = ["hosted", "serve"]
