# ruff: noqa: E501 - a table: one row, one line
"""Everything that can go wrong with a response, by name."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.streams.responses import USAGE, End, Play, Response, Speech, Style, chunk_of, response_of, written
from yaoki.llm.seams.characters import UNSEEN

HEALTHY = "healthy"

_Fault = Callable[[Response], Play]
_TABLE: dict[str, _Fault] = {}


def _named(name: str) -> Callable[[_Fault], _Fault]:
    def keep(fault: _Fault) -> _Fault:
        _TABLE[name] = fault
        return fault

    return keep


@_named(HEALTHY)
def _healthy(response: Response) -> Play:
    return response.play()


def _bytes_then(end: End) -> _Fault:
    def cut(response: Response) -> Play:
        data = response.written(response.events)
        size = round(len(data) * response.at)
        trickle: list[bytes | float] = [response.rng.choice(_TRICKLES)] if end == "for ever" else []
        return Play(steps=response.cut_up(data[:size]) + trickle, end=end)

    return cut


def _event_then(event: Any, *, rest: bool = True) -> _Fault:
    return lambda response: response.play(response.place, event, rest=rest)


def _events_for_ever(*deltas: dict[str, Any]) -> _Fault:
    def fault(response: Response) -> Play:
        says = "".join(str(delta.get("content") or "") for delta in deltas)
        place = (
            response.place if says.strip(UNSEEN) else response.rng.choice([1, response.whole])
        )  # not after half a word
        play = response.play(place)
        again = b"".join(written(chunk_of(response.style, delta), response.style) for delta in deltas)
        return replace(play, steps=[*play.steps, again], end="for ever", loops=says)

    return fault


def _finish(word: str, limits: str = "", **more: Any) -> _Fault:
    def fault(response: Response) -> Play:
        finish = {**chunk_of(response.style, {}, word), **more}
        return replace(response.play(response.place, finish, "[DONE]"), limits=limits)

    return fault


def _body(status: int, body: bytes, **headers: str) -> _Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Play(status=status, headers=named, steps=[body] if body else [])


def _error(**facts: Any) -> dict[str, Any]:
    return {"error": {"message": "Scripted.", **facts}}


_TRICKLES = [b": keep-alive\n\n", b"\n", b"event: ping\n\n", b": ", b'data: {"choices": []}\n\n', b"\0", b"retry: 3\n"]
_JSON = "application/json"
_PAGE = b"<!DOCTYPE html><html><body>Sign in. data: [DONE]</body></html>"
_WAITS = [
    "1",
    "0",
    "-5",
    "99999999999",
    "nan",
    "soon",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "1e400",
    "",
    "0.5",
    "Infinity",
    "١",
]
_CODES = [400, 401, 402, 403, 404, 408, 409, 413, 422, 425, 500, 501, 502, 503, 504, 520, 529, 599]
_WORDS = ["error", "abort", "network_error", "cancelled", "insufficient_system_resource", "malformed_function_call"]
_ODD_ERRORS: list[Any] = [
    _error(code=500), _error(code="429"), _error(type="overloaded_error"), {"error": "gone"}, {"error": {"code": 401}},
    {"type": "error", **_error(type="invalid_request_error")}, {"error": ["x"]}, {"error": True}, {"error": 503},
    _error(status=503, code=None), {"error": {"code": {"a": 1}}}, {"error": {"message": None}}, _error(code=10**400),
    {"error": {"code": True}}, {"error": {"code": "ç" * 5000}}, {"choices": [], "error": {"code": 500}},
]  # fmt: skip
_GARBAGE: list[Any] = [
    '{"choices": [{"index": 0, "delta": {"content": "ha', "and then the ships", "<html>502</html>", "null", "7", '"x"',
    {"choices": "none"}, {"choices": [7]}, {"choices": [{"index": 0, "delta": "and"}]}, {"choices": {"0": {}}},
    {"choices": [{"index": 0, "delta": {"content": {"a": 1}}}]}, {"choices": [{"index": 0, "delta": {"content": 7}}]},
    {"choices": [{"index": 0, "delta": {"content": [7, {"type": "image"}]}}]}, "[" * 100_000, "{}" * 3,
    {"choices": [{"index": 0, "delta": {"tool_calls": "x"}}]}, {"choices": [{"index": 0, "delta": {"tool_calls": [7]}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": {"index": 0}}}]}, {"choices": [{"index": [0], "delta": {}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": {"a": 1}}]}, {"choices": [{"index": 0, "delta": {"role": 7}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": 7}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": [1]}]}, {"usage": "many"}, {"usage": {"prompt_tokens": "9"}},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": "x"}]}}]}, {"choices": [{}]}, {"choices": [None]},
    b'data: {"choices": [{"index": 0, "delta": {"content": "\xff\xfe"}}]}\n\n', b"\x00\x01\x02\n\n", b"HTTP/1.1 200 OK\r\n\r\n",
    b"data\n\n", b"data: \xc3\n\n", b"data: " + b"x" * 1_100_000 + b"\n\n", '{"choices": [{"index": 0, "delta": {"content": NaN}}]}',
]  # fmt: skip

for _end in ("end", "reset", "cut", "silence", "for ever"):
    _TABLE[f"bytes then {_end}"] = _bytes_then(_end)
for _number, _event in enumerate(_ODD_ERRORS):
    _TABLE[f"error event {_number}"] = _event_then(_event)
for _number, _event in enumerate(_GARBAGE):
    _TABLE[f"garbage {_number}"] = _event_then(_event)
for _code in _CODES:
    _TABLE[f"status {_code}"] = _body(_code, json.dumps(_error(code=None)).encode(), content_type=_JSON)
for _number, _wait in enumerate(_WAITS):
    _TABLE[f"status 429, wait {_number}"] = _body(
        429, _PAGE if _number % 2 else b"{}", retry_after=_wait.encode().decode("latin-1")
    )
for _word in _WORDS:
    _TABLE[f"finish {_word}"] = _finish(_word)
_TABLE |= {
    "refused": lambda _: Play(end="refused"),
    "status 204": _body(204, b""),
    "status 206": _body(206, b"data: [DONE]\n\n"),
    "status 302": _body(302, b"", location="/v1/chat/completions"),
    "status 304": _body(304, b""),
    "status 429 quota": _body(429, json.dumps(_error(code="insufficient_quota")).encode(), content_type=_JSON),
    "status 400 overflow": _body(400, json.dumps(_error(code="context_length_exceeded")).encode(), content_type=_JSON),
    "status 500, a huge page": _body(500, b"<p>" * 60_000),
    "page": _body(200, _PAGE, content_type="text/html"),
    "page as events": _body(200, _PAGE, content_type="text/event-stream"),
    "document: error": _body(200, json.dumps(_error(code=500)).encode(), content_type=_JSON),
    "document: empty error": _body(200, b'{"error": {}}', content_type=_JSON),
    "document: list": _body(200, b"[]", content_type=_JSON),
    "document: null": _body(200, b"null", content_type=_JSON),
    "document: half": _body(200, b'{"choices": [{"message": {"content": "hal', content_type=_JSON),
    "document: no finish": _body(200, b'{"choices": [{"message": {"content": "half"}}]}', content_type=_JSON),
    "sentence": _body(200, b"upstream connect error or disconnect/reset before headers", content_type="text/plain"),
    "empty body": _body(200, b""),
    "done only": _body(200, b"data: [DONE]\n\n"),
    "blank": _body(200, b" \n\n\n "),
    "blanks for ever": lambda _: Play(steps=[b" \n"], end="for ever"),
    "drip": lambda r: Play(steps=_dripping(r), end="end"),
    "silence first": lambda _: Play(end="silence"),
    "finish length": _finish("length", "length"),
    "finish MAX_TOKENS": _finish("MAX_TOKENS", "length"),
    "finish content_filter": _finish("content_filter", "content_filter"),
    "finish SAFETY": _finish("SAFETY", "content_filter"),
    "finish tool_calls without calls": lambda r: r.play(1, chunk_of(r.style, {}, "tool_calls"), "[DONE]"),
    "finish at once": lambda r: r.play(1, chunk_of(r.style, {}, "stop"), "[DONE]"),
    "finish after blanks": lambda r: r.play(1, chunk_of(r.style, {"content": " \n\u200b "}), chunk_of(r.style, {}, "stop"), "[DONE]"),
    "finish after reasoning": lambda r: r.play(1, chunk_of(r.style, {"reasoning_content": "Hm."}), chunk_of(r.style, {}, "stop"), "[DONE]"),
    "length at once": lambda r: replace(r.play(1, chunk_of(r.style, {}, "length"), "[DONE]"), limits="length"),
    "finish of another choice": lambda r: r.play(r.place, _other(r.style, "stop"), "[DONE]"),
    "another choice": lambda r: r.play(r.place, _other(r.style, None), _other(r.style, "stop"), rest=True),
    "finish, then an error": lambda r: _after_finish(r, _error(code=500)),
    "finish, then garbage": lambda r: _after_finish(r, "{not json"),
    "finish, then silence": lambda r: replace(_after_finish(r), end="silence"),
    "finish, then reset": lambda r: replace(_after_finish(r), end="reset"),
    "done without finish": lambda r: r.play(r.whole, "[DONE]"),
    "usage without finish": lambda r: r.play(r.place, {**chunk_of(r.style, {}), "choices": [], "usage": USAGE}, "[DONE]"),
    "finish null": lambda r: r.play(r.place, chunk_of(r.style, {}, None), "[DONE]"),
    "finish empty": lambda r: r.play(r.place, chunk_of(r.style, {}, ""), "[DONE]"),
    "text for ever": _events_for_ever({"content": " over and over again"}),
    "sentences for ever": _events_for_ever({"content": " It is one."}, {"content": " It is two."}),
    "blank text for ever": _events_for_ever({"content": " \n"}),
    "zero width for ever": _events_for_ever({"content": "\u200b\u200c"}),
    "zero width joiners for ever": _events_for_ever({"content": "\u200d\u2060\ufeff"}),
    "thinking for ever": _events_for_ever({"reasoning_content": "Hm. "}),
    "null text for ever": _events_for_ever({"content": None}),
    "empty text for ever": _events_for_ever({"content": ""}),
    "nameless calls for ever": _events_for_ever({"tool_calls": [{"index": 0, "function": {"arguments": "x" * 900}}]}),
    "call without a name": lambda r: r.play(1, chunk_of(r.style, {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}), chunk_of(r.style, {}, "tool_calls")),
}  # fmt: skip


def _other(style: Style, finish: str | None) -> dict[str, Any]:
    chunk = chunk_of(style, {"content": "Something else."}, finish)
    return {**chunk, "choices": [{**chunk["choices"][0], "index": 1}]}


def _after_finish(response: Response, *more: Any) -> Play:
    last = next(at for at, event in enumerate(response.events) if _finishes(event))
    return response.play(last + 1, *more)


def _finishes(event: Any) -> bool:
    return isinstance(event, dict) and bool(event["choices"]) and bool(event["choices"][0].get("finish_reason"))


def _dripping(response: Response) -> list[bytes | float]:
    """Every event after more silence than anybody would bear for the whole, and less than for one."""
    steps: list[bytes | float] = []
    for event in response.events:
        steps += [4.0, written(event, response.style)]
    return steps


@_named("whole document")
def _document(response: Response) -> Play:
    speech = response.speech
    message: dict[str, Any] = {"role": "assistant", "content": speech.text or None}
    if speech.calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": "charge", "arguments": arguments}}
            for n, arguments in enumerate(speech.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": speech.finish}
    body = json.dumps({"object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
    return Play(headers={"content-type": _JSON}, steps=response.cut_up(body))


def play_of(speech: Speech, fault: str, at: float, *, style: int, rng: random.Random) -> Play:
    """A response that says `speech`, spoilt by `fault` at this share of it."""
    return _TABLE[fault](response_of(speech, style, at, rng))


FAULTS = [*_TABLE, *["bytes then end", "bytes then reset", "bytes then cut", "bytes then silence"] * 16]
"""To be drawn from: cuts are what happens most."""
