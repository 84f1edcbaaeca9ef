"""The frames of a link, as JSON: what a client may say, and what it is answered."""

import json
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict

from yaoki.api.event_ids import EventId
from yaoki.api.frames import Body, guidance_frame
from yaoki.api.problems import encode_problem, validated
from yaoki.api.shapes import Id, Said, accepted_json
from yaoki.errors import AIOrchestrationError, CommunicationProtocolError, SecurityInputRejectedError
from yaoki.store.contract import Accepted
from yaoki.store.events import Guidance

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class _ClientFrame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageFrame(_ClientFrame):
    """A message. It has an id, so that it can be sent again when nobody knows whether it arrived."""

    type: Literal["message"]
    id: Id
    content: Said


class CancelFrame(_ClientFrame):
    """Stop one turn, or whatever runs."""

    type: Literal["cancel"]
    turn_id: Id | None = None


class PingFrame(_ClientFrame):
    """Ask whether the server is there."""

    type: Literal["ping"]


ClientFrame = MessageFrame | CancelFrame | PingFrame


_KINDS: dict[str, type[ClientFrame]] = {"message": MessageFrame, "cancel": CancelFrame, "ping": PingFrame}


def decode(text: str) -> dict[str, Any]:
    """The JSON object that a client sent.

    Raises:
        CommunicationProtocolError: It is none; whatever follows cannot be trusted either.
    """
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        frame = None
    if not isinstance(frame, dict):
        raise CommunicationProtocolError("A frame is a JSON object.", remedy='Send, for example, {"type": "ping"}.')
    return cast("dict[str, Any]", frame)


def read(frame: dict[str, Any]) -> ClientFrame:
    """What a client says.

    Raises:
        SecurityInputRejectedError: No such frame, or one with wrong fields.
    """
    kind = frame.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise SecurityInputRejectedError(
            f"There is no frame of type {kind!r}.", field="type", remedy=f"Known types: {', '.join(_KINDS)}."
        )
    return validated(_KINDS[kind], frame, "frame")


def event(body: Body, event_id: EventId | None) -> str:
    """An event of the session; those that are no place in the log have no id."""
    return _JSON.encode({"id": None if event_id is None else str(event_id), "event": body})


def accepted(log_id: str, message_id: str, answer: Accepted) -> str:
    """The acknowledgement of a message: it is on disk."""
    return _JSON.encode(
        {"type": "accepted", "id": message_id, **accepted_json(log_id, answer), "duplicate": answer.duplicate}
    )


def cancelled(ids: list[str]) -> str:
    """The turns that were asked to stop."""
    return _JSON.encode({"type": "cancelled", "turn_ids": ids})


def pong() -> str:
    """The server is there."""
    return _JSON.encode({"type": "pong"})


def error(problem: dict[str, Any], frame_id: object = None) -> str:
    """What was wrong with a client's frame, or with the link itself."""
    return encode_problem({"type": "error", "id": frame_id if isinstance(frame_id, str) else None, "problem": problem})


def come_back(error: AIOrchestrationError) -> str:
    """Guidance for a client that is sent away for a while."""
    guidance = Guidance(
        state=error.kind,
        reason=error.message,
        action="reconnect",
        retry_after_s=error.retry_after_s,
        channel="websocket",
    )
    return event(guidance_frame(guidance), None)
