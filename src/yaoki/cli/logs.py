"""`yaoki logs`: a session's event log as it was written."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict

from yaoki.cli.answer import printable
from yaoki.cli.globals import Globals
from yaoki.cli.outcome import say
from yaoki.cli.read_store import reader, session_of
from yaoki.settings import Settings
from yaoki.store.events import Stored

_LOOK_AGAIN_S = 0.25


def print_log(options: Globals, session: str, *, follow: bool, as_json: bool) -> None:
    """Print the events of a session, one a line.

    Args:
        session: The session's id, or the beginning of it.
        follow: Go on with what another process appends, until Ctrl-C or until the session is erased.
    """
    show = _as_json if as_json else _as_text

    async def work() -> None:
        async for stored in _events(options.settings(), session, follow=follow):
            say(show(stored))

    asyncio.run(work())


async def _events(settings: Settings, beginning: str, *, follow: bool) -> AsyncIterator[Stored]:
    async with reader(settings) as store:
        session = await session_of(store, beginning)
        last = 0
        while True:
            for stored in await store.log.read(session.id, last):
                last = stored.seq
                yield stored
            if not follow:
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
            await session_of(store, session.id)


def _as_json(stored: Stored) -> str:
    row = {"seq": stored.seq, "at": stored.at.isoformat(), "type": type(stored.event).__name__, **asdict(stored.event)}
    return json.dumps(row, ensure_ascii=False)


def _as_text(stored: Stored) -> str:
    at = f"{stored.at:%Y-%m-%d %H:%M:%S}.{stored.at.microsecond // 1000:03}"
    facts = " ".join(_fact(name, value) for name, value in asdict(stored.event).items() if value not in (None, {}))
    return f"{stored.seq:>5}  {at}  {type(stored.event).__name__:14} {facts}"


def _fact(name: str, value: object) -> str:
    """`name=value`; what is not a plain word or number as JSON, so that it stays on one line."""
    plain = re.fullmatch(r"[\w.:-]+", value) if isinstance(value, str) else isinstance(value, int | float)
    return f"{name}={value if plain else printable(json.dumps(value, ensure_ascii=False))}"
