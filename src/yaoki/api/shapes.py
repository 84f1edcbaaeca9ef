"""JSON of requests and answers."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from yaoki.api.event_ids import EventId
from yaoki.sessions.transcript import Message, Transcript
from yaoki.store.contract import Accepted, Session

_METADATA_DEPTH = 8
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must consist of printable characters")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty or blank")
    if _UNSTORABLE.search(text):
        raise ValueError("must not contain NUL or half of a surrogate pair")
    return text


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON, and so the store, cannot hold: NaN, infinities, NUL, half characters, endless nesting."""
    level: list[Any] = [metadata]
    for _ in range(_METADATA_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*cast("dict[str, Any]", value), *cast("dict[str, Any]", value).values()]
            elif isinstance(value, list):
                inner += cast("list[Any]", value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError("must not contain NaN or infinities")
            elif isinstance(value, str) and _UNSTORABLE.search(value):
                raise ValueError("must not contain NUL or half of a surrogate pair")
        level = inner
    if level:
        raise ValueError(f"must not be nested deeper than {_METADATA_DEPTH - 1} levels")
    return metadata


Id = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable), AfterValidator(_said)]
Said = Annotated[str, AfterValidator(_said)]
Metadata = Annotated[dict[str, Any], Field(max_length=64), AfterValidator(_storable)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewSession(_Request):
    """A session to create."""

    session_type: Literal["chat", "voice"] = "chat"
    agent: Id | None = None
    metadata: Metadata | None = None


class Renaming(_Request):
    """A session's new title."""

    title: Title


class NewMessage(_Request):
    """A message. The same `id` again, with the same content, is the same message."""

    content: Said
    id: Id | None = None


class Cancelling(_Request):
    """What to stop: one turn, or whatever runs."""

    turn_id: Id | None = None


def session_json(session: Session) -> dict[str, Any]:
    """A session as clients see it."""
    return {
        "session_id": session.id,
        "session_type": session.session_type,
        "agent": session.agent,
        "title": session.title,
        "status": session.status,
        "created_at": _time(session.created_at),
        "updated_at": _time(session.updated_at),
        "metadata": session.metadata,
    }


def accepted_json(log_id: str, accepted: Accepted) -> Mapping[str, str]:
    """An acknowledgement; following from its event id shows the whole turn."""
    return {"turn_id": accepted.turn_id, "event_id": str(EventId(log_id, accepted.seq, 0))}


def history_json(session_id: str, log_id: str, transcript: Transcript) -> dict[str, Any]:
    """A session's messages, those still in line, and the place to follow from."""
    return {
        "session_id": session_id,
        "event_id": str(EventId(log_id, transcript.last_seq + 1, 0)),
        "open_turn": transcript.open_turn,
        "open_message": transcript.open_message,
        "messages": [_message_json(message) for message in transcript.messages],
        "waiting": [_message_json(message) for message in transcript.waiting.values()],
    }


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "role": message.role,
        "turn_id": message.turn,
        "content": message.content,
        "at": _time(message.at),
        "models": message.models,
        "marks": [{**mark.facts, "type": mark.type, "at_char": mark.at_char} for mark in message.marks],
        "outcome": message.outcome,
        "note": message.note,
    }


def _time(at: datetime) -> str:
    """RFC 3339, UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
