"""An upstream's answer, kept: to be given again, whole or with a fault."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

from yaoki.faults.raw_http import Request

Json = dict[str, Any]

_GOOD = 200


@dataclass(frozen=True)
class Recording:
    """One response of an upstream.

    Attributes:
        status: The HTTP status.
        content_type: What the head called the body.
        body: The whole body, decompressed.
        broken: Why nothing after the head can be believed, for example that the connection broke; empty if it is whole.
    """

    status: int
    content_type: str
    body: bytes
    broken: str = ""

    @cached_property
    def trouble(self) -> str:
        """Why this is no whole answer; empty if it is one."""
        if self.broken:
            return self.broken
        if self.status != _GOOD:
            return f"status {self.status}"
        return "" if self.finish else "no finish reason"

    @cached_property
    def events(self) -> tuple[Json, ...]:
        """The chunks of a streamed answer. Text and finish reason never share one: such a chunk is made two."""
        return tuple(part for chunk in self._chunks for part in _parted(chunk))

    @cached_property
    def document(self) -> Json | None:
        """An answer that came in one piece."""
        value = _object(self.body)
        return value if value and "choices" in value else None

    @cached_property
    def text(self) -> str:
        """The text of the first choice."""
        if self.document is not None:
            content = _dict(_first(self.document).get("message")).get("content")
            return content if isinstance(content, str) else ""
        return "".join(map(text_of_chunk, self.events))

    @cached_property
    def finish(self) -> str:
        """Its finish reason; empty if it never came."""
        if self.document is not None:
            return str(_first(self.document).get("finish_reason") or "")
        return next((reason for reason in map(finish_of_chunk, self.events) if reason), "")

    @property
    def _chunks(self) -> Iterator[Json]:
        for line in self.body.decode(errors="replace").splitlines():
            value = _object(line.removeprefix("data:")) if line.startswith("data:") else None
            if value:
                yield value


class Upstream(Protocol):
    """Whoever really answers."""

    async def ask(self, request: Request) -> Recording:
        """The answer to a request whose path is relative to the base URL; the same request may get the same recording.

        Never raises for what the upstream does: an unreachable one is a recording of status 502 that is `broken`.
        """
        ...


def text_of_chunk(chunk: Json) -> str:
    """The text that a chunk adds to the first choice."""
    content = _delta(chunk).get("content")
    return content if isinstance(content, str) else ""


def finish_of_chunk(chunk: Json) -> str:
    """The finish reason that a chunk gives the first choice; empty if none."""
    return str(_first(chunk).get("finish_reason") or "")


def calls_of_chunk(chunk: Json) -> bool:
    """Whether a chunk carries a part of a tool call."""
    return bool(_delta(chunk).get("tool_calls"))


def with_text(chunk: Json, text: str) -> Json:
    """The chunk with another text."""
    return _changed(chunk, {"delta": {**_delta(chunk), "content": text}})


def with_finish(chunk: Json, reason: str) -> Json:
    """The chunk with another finish reason."""
    return _changed(chunk, {"finish_reason": reason})


def _parted(chunk: Json) -> Iterator[Json]:
    if finish_of_chunk(chunk) and (text_of_chunk(chunk) or calls_of_chunk(chunk)):
        yield {key: value for key, value in _changed(chunk, {"finish_reason": None}).items() if key != "usage"}
        yield _changed(chunk, {"delta": {}})
    else:
        yield chunk


def _changed(chunk: Json, more: Json) -> Json:
    others = [choice for choice in chunk["choices"] if choice is not _first(chunk)]
    return {**chunk, "choices": [{**_first(chunk), **more}, *others]}


def _first(body: Json) -> Json:
    """The choice with index 0."""
    choices = body.get("choices")
    known = map(_dict, cast("list[Any]", choices)) if isinstance(choices, list) else ()
    return next((choice for choice in known if choice and choice.get("index", 0) == 0), Json())


def _delta(chunk: Json) -> Json:
    return _dict(_first(chunk).get("delta"))


def _dict(value: Any) -> Json:
    """What should be an object; an empty one if a foreign server sent something else."""
    return cast("Json", value) if isinstance(value, dict) else {}


def _object(text: str | bytes) -> Json | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return cast("Json", value) if isinstance(value, dict) else None
