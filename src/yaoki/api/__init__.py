"""The HTTP side: routes, event streams, the chat page, and what protects them."""

from yaoki.api.app import create_app
from yaoki.api.policy import ApiPolicy
from yaoki.api.server import server_config

__all__ = ["ApiPolicy", "create_app", "server_config"]
