"""The examination of API keys: whether the base URL wants one, and whether anybody has one."""

from yaoki.cli.doctor.findings import Finding, note, ok, warning
from yaoki.cli.read_store import reader
from yaoki.errors import AIOrchestrationError
from yaoki.settings import Settings


async def keys(settings: Settings) -> list[Finding]:
    """One finding, if keys are wanted or there are any."""
    valid, wanted = await _valid(settings), settings.auth.v1 == "keys"
    if valid is None:
        return []
    if wanted and not valid:
        return [warning("keys", "the base URL wants one, and there is none.", "Make one: yaoki keys create NAME.")]
    if wanted:
        return [ok("keys", f"the base URL wants one; valid: {valid}")]
    if valid:
        return [
            note("keys", f"valid: {valid}; the base URL answers without one, too", 'To end that: [auth] v1 = "keys"')
        ]
    return []


async def _valid(settings: Settings) -> int | None:
    """How many there are; None: the database cannot be read, which is said elsewhere."""
    if not settings.store.path.exists():
        return 0
    try:
        async with reader(settings) as store:
            return sum(key.revoked_at is None for key in await store.api_keys.all())
    except AIOrchestrationError:
        return None
