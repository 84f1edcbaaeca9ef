"""What an AG-UI 1.0 client demands, written down from @ag-ui/core 1.0.0 (shapes) and @ag-ui/client 1.0.0 (order).

`check_shape` holds a frame against the schema of its type, `Client` is a client: it refuses what the reference client's
verifier refuses, and keeps the messages as its reducer does.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Body = Mapping[str, Any]

_REQUIRED: dict[str, dict[str, type]] = {
    "RUN_STARTED": {"threadId": str, "runId": str},
    "RUN_FINISHED": {"threadId": str, "runId": str},
    "RUN_ERROR": {"message": str},
    "TEXT_MESSAGE_START": {"messageId": str},
    "TEXT_MESSAGE_CONTENT": {"messageId": str, "delta": str},
    "TEXT_MESSAGE_END": {"messageId": str},
    "MESSAGES_SNAPSHOT": {"messages": list},
    "CUSTOM": {"name": str, "value": object},
}
_OPTIONAL: dict[str, dict[str, type]] = {
    "RUN_STARTED": {"input": dict},
    "RUN_FINISHED": {"outcome": dict, "result": object},
    "RUN_ERROR": {"code": str, "runId": str, "guidance": dict},  # the last two are ours; a loose object allows them
    "TEXT_MESSAGE_START": {"role": str, "name": str},
}
_OUTCOMES = ("success", "cancelled")
_INPUT = {"threadId": str, "runId": str, "messages": list, "tools": list, "context": list, "state": dict}


def check_shape(body: Body) -> None:
    """Fail if the frame does not fit the schema of its type."""
    required, optional = _REQUIRED[body["type"]], _OPTIONAL.get(body["type"], {})
    _check({**required, **optional}, body, set(required) | {"type"})
    assert set(body) <= {"type", *required, *optional}, body
    messages = body.get("messages", [])
    if "input" in body:
        _check(_INPUT, body["input"], set(_INPUT))
        assert body["input"]["forwardedProps"] is not None
        messages = body["input"]["messages"]
    if "outcome" in body:
        assert body["outcome"]["type"] in _OUTCOMES
    if "role" in body:
        assert body["role"] == "assistant"
    for message in messages:
        assert message["role"] in ("user", "assistant")
        _check({"id": str, "content": str, "name": str}, message, {"id", "content"})


def _check(types: Mapping[str, type], body: Body, required: set[str]) -> None:
    assert required <= set(body), f"{required - set(body)} missing in {body}"
    for name, kind in types.items():
        assert name not in body or isinstance(body[name], kind), f"{name} in {body}"


class Client:
    """A client of one thread. `messages` are (id, role, text), in order; `ends` are the runs that have ended."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        self.run: str | None = None
        self.open: set[str] = set()
        self.ends: list[str] = []

    def reconnected(self) -> None:
        """A new stream has begun: what was open is open no longer, the messages stay."""
        self.run, self.open = None, set()

    def take(self, bodies: Iterable[Body]) -> None:
        """Take frames, refusing what breaks the order. Between runs only Yaoki's own frames may come."""
        for body in bodies:
            check_shape(body)
            getattr(self, f"_{body['type'].lower()}")(body)

    def _in_run(self, body: Body) -> None:
        assert self.run is not None, f"outside a run: {body}"

    def _run_started(self, body: Body) -> None:
        assert self.run is None, f"a run within a run: {body}"
        assert body["input"]["runId"] == body["runId"]
        self.run, self.open = body["runId"], set()
        for message in body["input"]["messages"]:
            if message["id"] not in [known for known, _, _ in self.messages]:
                self.messages.append((message["id"], message["role"], message["content"]))

    def _text_message_start(self, body: Body) -> None:
        self._in_run(body)
        assert body["messageId"] not in self.open, f"open already: {body}"
        self.open.add(body["messageId"])
        if body["messageId"] not in [known for known, _, _ in self.messages]:
            self.messages.append((body["messageId"], "assistant", ""))

    def _text_message_content(self, body: Body) -> None:
        assert body["messageId"] in self.open, f"not open: {body}"
        self.messages = [
            (known, role, text + body["delta"] if known == body["messageId"] else text)
            for known, role, text in self.messages
        ]

    def _text_message_end(self, body: Body) -> None:
        assert body["messageId"] in self.open, f"not open: {body}"
        self.open.discard(body["messageId"])

    def _messages_snapshot(self, body: Body) -> None:
        told = {message["id"]: (message["id"], message["role"], message["content"]) for message in body["messages"]}
        kept = [told.pop(known) for known, _, _ in self.messages if known in told]
        self.messages = [*kept, *told.values()]

    def _custom(self, body: Body) -> None:
        assert body["name"].startswith("yaoki.")

    def _run_finished(self, body: Body) -> None:
        self._in_run(body)
        assert not self.open, f"a message is still open: {body}"
        assert body["runId"] == self.run
        self._end()

    def _run_error(self, body: Body) -> None:
        self._in_run(body)
        self._end()

    def _end(self) -> None:
        assert self.run is not None
        self.ends.append(self.run)
        self.run = None
