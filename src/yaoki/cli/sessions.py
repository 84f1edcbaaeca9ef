"""`yaoki sessions`: list, show and erase."""

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import typer

from yaoki.cli.answer import printable
from yaoki.cli.client import Client
from yaoki.cli.find_server import running_server
from yaoki.cli.globals import Globals
from yaoki.cli.outcome import say, tell
from yaoki.cli.read_store import OWNER, reader, session_of
from yaoki.sessions.transcript import Mark, Message, Transcript
from yaoki.settings import Settings
from yaoki.store.contract import Session
from yaoki.store.events import TurnEnded
from yaoki.store.store import open_store

Spending = dict[str, int]


def print_sessions(options: Globals, *, limit: int, as_json: bool) -> None:
    """One line for each session, the newest activity first."""
    settings = options.settings()

    async def work() -> list[Session]:
        async with reader(settings) as store:
            return await store.sessions.newest(OWNER, limit)

    for session in asyncio.run(work()):
        if as_json:
            say(_json(asdict(session)))
        else:
            say(f"{session.id}  {session.updated_at:%Y-%m-%d %H:%M}  {session.status:6}  {printable(session.title)}")


def print_session(options: Globals, beginning: str, *, as_json: bool) -> None:
    """A session's messages, with what happened to the answers."""
    settings = options.settings()

    async def work() -> tuple[Session, Transcript, dict[str, Spending]]:
        transcript, spent = Transcript(), dict[str, Spending]()
        async with reader(settings) as store:
            session = await session_of(store, beginning)
            for stored in await store.log.read(session.id):
                transcript.fold(stored)
                if isinstance(stored.event, TurnEnded):
                    spent[stored.event.turn] = stored.event.usage
        return session, transcript, spent

    session, transcript, spent = asyncio.run(work())
    messages = [*transcript.messages, *transcript.waiting.values()]
    if as_json:
        say(_json({**asdict(session), "messages": [asdict(message) for message in messages], "spent": spent}))
        return
    say(f"{session.id}  {printable(session.title)}  ({session.agent}, {session.status})")
    for message in messages:
        _print_message(message)
        if message.outcome is not None and spent.get(message.turn):
            say(f"  · {_spending(spent[message.turn])}")


def erase_session(options: Globals, beginning: str, *, ask: bool) -> None:
    """Erase a session: through the server if one runs, else in the database itself."""
    settings = options.settings()
    session = asyncio.run(_find(settings, beginning))
    if ask:
        typer.confirm(f"Erase {session.id} ({printable(session.title)}) for good?", abort=True, err=True)
    asyncio.run(_erase(settings, session.id))
    tell(f"{session.id} is erased")


async def _find(settings: Settings, beginning: str) -> Session:
    async with reader(settings) as store:
        return await session_of(store, beginning)


async def _erase(settings: Settings, session_id: str) -> None:
    address = await running_server(settings)
    if address:
        async with Client(address) as client:
            await client.delete_session(session_id)
        return
    store = await open_store(settings.store.path)
    try:
        await store.sessions.erase(OWNER, session_id)
    finally:
        await store.aclose()


def _print_message(message: Message) -> None:
    who = "you" if message.role == "user" else ", ".join(message.models) or "yaoki"
    say(f"\n{who}  {message.at:%Y-%m-%d %H:%M:%S}")
    if message.content:
        say(printable(message.content))
    for mark in message.marks:
        say(f"  · {_told(mark)}")
    if message.outcome not in (None, "completed"):
        say(f"  · {message.outcome}{f': {message.note}' if message.note else ''}")


def _spending(usage: Spending) -> str:
    """What a turn has cost, as one line: estimates and requests without a known price are named as such."""
    asked, said, requests = (usage.get(name, 0) for name in ("input_tokens", "output_tokens", "requests"))
    told = f"{asked} + {said} tokens in {requests} request{'' if requests == 1 else 's'}"
    if usage.get("estimated_tokens"):
        told += f", {usage['estimated_tokens']} of them estimated"
    if "cost_microusd" in usage:
        told += f", ${usage['cost_microusd'] / 1_000_000:.6f} at list prices"
        unpriced = usage.get("unpriced_requests", 0)
        told += f" ({unpriced} without a known price)" if unpriced else ""
    return told


def _told(mark: Mark) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in mark.facts.items() if value is not None)
    return f"{mark.type} at character {mark.at_char}{f' ({facts})' if facts else ''}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_time)


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
