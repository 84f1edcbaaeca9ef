"""Settings of features that this version does not have yet. They are refused, not ignored."""

from collections.abc import Mapping

LATER_SECTIONS: Mapping[str, str] = {
    "alerts": "alerting",
    "learning": "learning",
    "recovery": "recovery by name",
    "voice": "voice",
    "mcp_servers": "MCP tool servers",
}

LATER_KEYS: Mapping[tuple[str, str], str] = {
    ("store", "redis_url"): "the hot tier",
    ("auth", "jwt"): "authentication by JWT",
    ("auth", "origins"): "authentication of every route, and other sites with it",
    ("auth", "hosts"): "authentication of every route, and other names with it",
    ("agents", "mcp_servers"): "MCP tool servers",
}


def not_yet(what: str) -> str:
    """The sentence about a setting whose feature is not there."""
    return f"is for {what}, which this version does not have yet; remove it."
