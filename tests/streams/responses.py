"""One response on the wire: what a model says, as bytes in random pieces.

A play is a status, headers and steps: bytes, seconds of silence, or the way in which the body ends.
"""

import json
import random
from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["end", "reset", "cut", "silence", "for ever", "refused"]
"""end: as its framing has it; cut: without; for ever: the last step again and again; refused: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What there is to say."""

    text: str
    calls: tuple[str, ...] = ()
    reasons: str = ""
    finish: str = "stop"


@dataclass(slots=True)
class Play:
    """One response.

    Attributes:
        limits: The end that it may rightly have besides a whole one.
        loops: What it says over and over at its end.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    steps: list[bytes | float] = field(default_factory=list[bytes | float])
    end: End = "end"
    limits: str = ""
    loops: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """How the events are spelled; every one of these is healthy."""

    eol: str = "\n"
    field: str = "data: "
    before: str = ""
    bom: bool = False
    escaped: bool = False
    split: bool = False
    largest: int = 6
    more: tuple[tuple[str, Any], ...] = ()
    delta: tuple[tuple[str, Any], ...] = ()
    finish_with_text: bool = False
    usage: Literal["after", "with", "before", "never", "each"] = "after"
    done: bool = True
    word: str = ""
    pieces: Literal["event", "bytes", "random", "one"] = "random"
    index: Any = 0


def _style(seed: int, rng: random.Random) -> Style:
    if not seed:
        return Style(largest=rng.choice([1, 6, 6, 6, 40]), pieces=rng.choice(["event", "random"]))
    odd = random.Random(seed)
    return Style(
        eol=odd.choice(["\n", "\r\n", "\r"]),
        field=odd.choice(["data: ", "data:"]),
        before=odd.choice(["", "", ": keep-alive\n\n", "event: message\nid: 7\n", ":\n", "\0\n", "event: ping\n\n"]),
        bom=odd.random() < 0.2,
        escaped=odd.random() < 0.3,
        split=odd.random() < 0.1,
        largest=odd.choice([1, 3, 6, 40, 4000]),
        more=odd.choice([(), (), (("error", None),), (("usage", None),), (("x", {"a": [1]}),), (("id", None),)]),
        delta=odd.choice(
            [(), (("role", "assistant"),), (("tool_calls", None), ("refusal", None)), (("tool_calls", []),)]
        ),
        finish_with_text=odd.random() < 0.3,
        usage=odd.choice(["after", "with", "before", "never", "each"]),
        done=odd.random() < 0.8,
        word=odd.choice(["", "", "", "end_turn", "STOP", "eos", "stop_sequence", "COMPLETE", " stop "]),
        pieces=odd.choice(["event", "bytes", "random", "one"]),
        index=odd.choice([0, 0, 0, "0", None]),
    )


@dataclass(slots=True)
class Response:
    """The events of a healthy response, to be spoilt."""

    speech: Speech
    style: Style
    rng: random.Random
    at: float
    events: list[Any]
    texts: int

    @property
    def place(self) -> int:
        """The event before which something happens: after the role, not after the finish reason."""
        return 1 + round(self.at * max(0, self.texts - 1))

    @property
    def whole(self) -> int:
        """The event before which the text is whole; the first one, if the last text brings the finish reason."""
        return 1 if self.style.finish_with_text else self.texts

    def play(self, upto: int | None = None, *more: Any, end: End = "end", rest: bool = False) -> Play:
        """The events before `upto`, then `more`, then maybe the rest."""
        events = [*self.events[:upto], *more, *(self.events[upto:] if rest and upto is not None else [])]
        return Play(steps=self.cut_up(self.written(events)), end=end)

    def written(self, events: list[Any]) -> bytes:
        parts = [b"\xef\xbb\xbf"] if self.style.bom else []
        parts += [event if isinstance(event, bytes) else written(event, self.style) for event in events]
        return b"".join(parts)

    def cut_up(self, data: bytes) -> list[bytes | float]:
        match self.style.pieces:
            case "one":
                return [data]
            case "bytes" if len(data) < 4_000:
                return [data[n : n + 1] for n in range(len(data))]
            case "event":
                end = f"{self.style.eol}{self.style.eol}".encode()
                return [piece + end for piece in data.split(end) if piece]
        pieces: list[bytes | float] = []
        while data:
            size = self.rng.choice([1, 2, 3, 7, 50, 300, 2000])
            pieces.append(data[:size])
            data = data[size:]
            if self.rng.random() < 0.05:
                pieces.append(self.rng.choice([0.001, 0.03, 0.2]))
        return pieces


def written(event: Any, style: Style) -> bytes:
    indent = 0 if style.split else None
    lines = (
        [event] if isinstance(event, str) else json.dumps(event, ensure_ascii=style.escaped, indent=indent).split("\n")
    )
    text = style.before + "".join(f"{style.field}{line}\n" for line in lines) + "\n"
    return text.replace("\n", style.eol).encode()


def chunk_of(style: Style, delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {**dict(style.delta), **delta} if delta is not None else {}
    choice = {"index": style.index, "delta": delta, "finish_reason": finish}
    usage = {"usage": USAGE} if style.usage == "each" else {}
    stamp = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return {**stamp, **usage, **dict(style.more), **more}


USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}


def response_of(speech: Speech, style_seed: int, at: float, rng: random.Random) -> Response:
    style = _style(style_seed, rng)
    events: list[Any] = [chunk_of(style, {"role": "assistant", "content": ""})]
    events += [chunk_of(style, {"reasoning_content": word}) for word in _tokens(speech.reasons, style, rng)]
    events += [chunk_of(style, {"content": token}) for token in _tokens(speech.text, style, rng)]
    for number, arguments in enumerate(speech.calls):
        head = {"index": number, "id": f"call_{number}", "type": "function"}
        events.append(chunk_of(style, {"tool_calls": [{**head, "function": {"name": "charge", "arguments": ""}}]}))
        events += [
            chunk_of(style, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
            for piece in _tokens(arguments, style, rng)
        ]
    texts = len(events)
    counts = {**chunk_of(style, {}), "choices": [], "usage": USAGE}
    word = speech.finish if speech.finish != "stop" else style.word or "stop"
    if style.finish_with_text and speech.text and not speech.calls:
        events[-1]["choices"][0]["finish_reason"] = word
        texts -= 1
    else:
        events += [*([counts] if style.usage == "before" else []), chunk_of(style, {}, word)]
    if style.usage == "with":
        events[-1]["usage"] = USAGE
    if style.usage == "after":
        events.append(counts)
    events += ["[DONE]"] if style.done else []
    return Response(speech, style, rng, at, events, max(1, texts))


def _tokens(text: str, style: Style, rng: random.Random) -> list[str]:
    pieces: list[str] = []
    while text:
        size = rng.randint(1, style.largest)
        pieces.append(text[:size])
        text = text[size:]
    return pieces
