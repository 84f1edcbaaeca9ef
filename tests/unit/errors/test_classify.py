"""Foreign exceptions by our names: real ones of what is installed, and look-alikes by recorded names of the rest."""

import asyncio
import errno
import http.client
import json
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import anyio
import httpcore2
import httpx2
import openai
import pydantic
import pytest
import sqlalchemy
import sqlalchemy.exc
from pydantic_ai import exceptions as pydantic_ai
from pydantic_ai.exceptions import ModelHTTPError

from yaoki.errors import AIErrorCategory, ModelTruncatedError, Nature, classify, kind_of, register
from yaoki.errors.classification import nature_of
from yaoki.errors.foreign import NATURE_BY_TYPE

MODEL, AGENT, SESSION = AIErrorCategory.MODEL, AIErrorCategory.AGENT, AIErrorCategory.SESSION
REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


def raised_by(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - any exception is what is wanted
        return error
    raise AssertionError("nothing was raised")


def name_of(error: BaseException, family: AIErrorCategory | None = None) -> str | None:
    kind = kind_of(error, family)
    return None if kind is None else kind.name


def response(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}, request=REQUEST
    )


def openai_status(status: int, code: str | None = None, **headers: str) -> openai.APIStatusError:
    return openai.APIStatusError("no", response=response(status, **headers), body={"code": code, "type": None})


STDLIB = [
    (raised_by(lambda: socket.create_connection(("127.0.0.1", 1), 1)), "communication.unavailable"),
    (TimeoutError(), "communication.timeout"),
    (TimeoutError(), "communication.timeout"),
    (ConnectionResetError(errno.ECONNRESET, "reset"), "communication.connection_lost"),
    (BrokenPipeError(errno.EPIPE, "pipe"), "communication.connection_lost"),
    (ConnectionAbortedError(), "communication.connection_lost"),
    (asyncio.IncompleteReadError(b"", 5), "communication.connection_lost"),
    (http.client.IncompleteRead(b""), "communication.connection_lost"),
    (socket.gaierror(socket.EAI_NONAME, "no name"), "communication.unavailable"),
    (ssl.SSLCertVerificationError("bad certificate"), "configuration.setting"),
    (ssl.SSLEOFError("eof"), "communication.connection_lost"),
    (subprocess.TimeoutExpired("sleep", 1), "communication.timeout"),
    (OSError(errno.EMFILE, "too many open files"), "resource.overloaded"),
    (OSError(errno.ENOSPC, "no space"), "communication.unavailable"),
    (OSError(errno.EHOSTUNREACH, "no route"), "communication.unavailable"),
]


@pytest.mark.parametrize("error, kind", STDLIB, ids=lambda value: value if isinstance(value, str) else repr(value))
def test_the_standard_librarys(error: Exception, kind: str) -> None:
    renamed = classify(error)
    assert renamed is not None
    assert renamed.kind == kind
    assert renamed.__cause__ is error
    assert renamed.facts["foreign"] == f"{type(error).__module__}.{type(error).__qualname__}"


HTTP = [
    (httpx2.ConnectError("x"), "model.unavailable"),
    (httpx2.ConnectTimeout("x"), "model.timeout"),
    (httpx2.ReadTimeout("x"), "model.timeout"),
    (httpx2.PoolTimeout("x"), "model.timeout"),
    (httpx2.ReadError("x"), "model.truncated"),
    (httpx2.RemoteProtocolError("x"), "model.truncated"),
    (httpx2.DecodingError("x"), "model.malformed"),
    (httpx2.TooManyRedirects("x"), "model.malformed"),
    (httpx2.ProxyError("x"), "model.unavailable"),
    (httpx2.UnsupportedProtocol("x"), "model.malformed"),
    (httpcore2.ReadTimeout("x"), "model.timeout"),
    (httpcore2.ConnectError("x"), "model.unavailable"),
    (raised_by(lambda: response(503).raise_for_status()), "model.overloaded"),
    (raised_by(lambda: response(404).raise_for_status()), "model.not_found"),
    (raised_by(lambda: response(418).raise_for_status()), "model.malformed"),
    (raised_by(lambda: response(500).raise_for_status()), "model.unavailable"),
    (aiohttp.ServerDisconnectedError(), "model.truncated"),
    (aiohttp.ServerTimeoutError(), "model.timeout"),
    (aiohttp.ClientPayloadError(), "model.truncated"),
    (aiohttp.ClientConnectionError(), "model.unavailable"),
    (aiohttp.InvalidURL("x"), "model.malformed"),
    (
        aiohttp.ClientConnectorError(SimpleNamespace(host="h", port=1, ssl=True), OSError(111, "refused")),
        "model.unavailable",
    ),
    (aiohttp.ClientResponseError(SimpleNamespace(real_url="u"), (), status=429), "model.rate_limited"),
    (aiohttp.ClientResponseError(SimpleNamespace(real_url="u"), (), status=504), "model.timeout"),
    (anyio.BrokenResourceError(), "model.truncated"),
    (raised_by(lambda: json.loads("<html>")), "model.malformed"),
    (raised_by(b"\xff".decode), "model.malformed"),
    (raised_by(lambda: pydantic.TypeAdapter(int).validate_python("x")), "model.malformed"),
]


@pytest.mark.parametrize("error, kind", HTTP, ids=lambda value: value if isinstance(value, str) else repr(value))
def test_what_a_model_call_over_http_raises(error: Exception, kind: str) -> None:
    renamed = classify(error, MODEL)
    assert renamed is not None
    assert renamed.kind == kind


PROVIDERS = [
    (openai.APITimeoutError(REQUEST), "model.timeout"),
    (openai.APIConnectionError(request=REQUEST), "model.unavailable"),
    (openai_status(401), "model.authentication"),
    (openai_status(402), "model.quota_exceeded"),
    (openai_status(403), "model.authentication"),
    (openai_status(404), "model.not_found"),
    (openai_status(408), "model.timeout"),
    (openai_status(413), "model.context_overflow"),
    (openai_status(400), "model.malformed"),
    (openai_status(400, "context_length_exceeded"), "model.context_overflow"),
    (openai_status(400, "content_filter"), "model.filtered"),
    (openai_status(429), "model.rate_limited"),
    (openai_status(429, "insufficient_quota"), "model.quota_exceeded"),
    (openai_status(500), "model.unavailable"),
    (openai_status(503), "model.overloaded"),
    (openai_status(529), "model.overloaded"),
    (openai.APIError("in the stream", REQUEST, body={"code": "server_overloaded"}), "model.overloaded"),
    (openai.APIError("in the stream", REQUEST, body=None), "model.unavailable"),
    (openai.LengthFinishReasonError(completion=SimpleNamespace(usage=None)), "model.output_limit"),
    (openai.ContentFilterFinishReasonError(), "model.filtered"),
    (pydantic_ai.ModelAPIError("m", "x"), "model.unavailable"),
    (pydantic_ai.ModelQuotaExceededError("m", "x"), "model.quota_exceeded"),
    (pydantic_ai.ModelRateLimitError("m", "x"), "model.rate_limited"),
    (pydantic_ai.ModelContextWindowExceededError("m", "x"), "model.context_overflow"),
    (pydantic_ai.ModelRequestTimeout("m", 3.0), "model.timeout"),
    (pydantic_ai.UnexpectedModelBehavior("x"), "model.malformed"),
    (pydantic_ai.ContentFilterError("x"), "model.filtered"),
    (pydantic_ai.OutputTokenLimitExceeded("x"), "model.output_limit"),
    (ModelHTTPError(401, "m"), "model.authentication"),
    (ModelHTTPError(429, "m", body={"error": {"code": "insufficient_quota"}}), "model.quota_exceeded"),
    (ModelHTTPError(503, "m"), "model.overloaded"),
]


@pytest.mark.parametrize("error, kind", PROVIDERS, ids=lambda value: value if isinstance(value, str) else repr(value))
def test_what_provider_sdks_raise_is_known_without_being_told_the_family(error: Exception, kind: str) -> None:
    renamed = classify(error)
    assert renamed is not None
    assert renamed.kind == kind


def sqlite_error(statements: str, prepare: str = "") -> Exception:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(prepare)
        return raised_by(lambda: connection.executescript(statements))
    finally:
        connection.close()


def locked(path: Path) -> Exception:
    first, second = sqlite3.connect(path, isolation_level=None), sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        first.execute("begin exclusive")
        return raised_by(lambda: second.execute("begin exclusive"))
    finally:
        first.close()
        second.close()


def through_sqlalchemy(statement: str) -> Exception:
    engine = sqlalchemy.create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("create table t (a integer primary key)"))
            connection.execute(sqlalchemy.text("insert into t values (1)"))
            return raised_by(lambda: connection.execute(sqlalchemy.text(statement)))
    finally:
        engine.dispose()


def test_what_the_store_raises(tmp_path: Path) -> None:
    busy = locked(tmp_path / "locked.sqlite")
    assert nature_of(busy) is Nature.OVERLOADED
    assert name_of(busy) == "session.store_unavailable"
    twice = sqlite_error("insert into t values (1)", "create table t (a primary key); insert into t values (1)")
    assert name_of(twice) == "session.conflict"
    assert name_of(through_sqlalchemy("insert into t values (1)")) == "session.conflict"
    assert name_of(sqlalchemy.exc.TimeoutError("pool")) == "session.store_unavailable"
    wrapped = sqlalchemy.exc.OperationalError("select 1", {}, busy)
    assert nature_of(wrapped) is Nature.OVERLOADED


def test_a_file_that_is_no_database_is_corruption(tmp_path: Path) -> None:
    path = tmp_path / "broken.sqlite"
    path.write_bytes(b"this is not a database file at all" * 50)
    connection = sqlite3.connect(path)
    error = raised_by(lambda: connection.execute("select * from t"))
    connection.close()
    renamed = classify(error)
    assert renamed is not None
    assert renamed.kind == "session.corrupted"


def look_alike(name: str, /, *bases: str, **attributes: object) -> Exception:
    """An exception with the recorded module and name (and ancestors) of a library that is not installed."""
    cls: type[Exception] = Exception
    for full in (*reversed(bases), name):
        module, _, short = full.rpartition(".")
        cls = type(short, (cls,), {"__module__": module})
    error = cls("x")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


ABSENT = [
    (look_alike("anthropic.APITimeoutError", "anthropic.APIConnectionError"), "model.timeout"),
    (look_alike("anthropic.OverloadedError", "anthropic.APIStatusError", status_code=529), "model.overloaded"),
    (
        look_alike("anthropic.RateLimitError", "anthropic.APIStatusError", status_code=429, type="billing_error"),
        "model.quota_exceeded",
    ),
    (look_alike("mcp.shared.exceptions.MCPError", code=-32602), "agent.tool_arguments"),
    (look_alike("mcp.shared.exceptions.MCPError", code=-32601), "agent.tool_not_found"),
    (look_alike("mcp.shared.exceptions.MCPError", code=-32001), "agent.tool_timeout"),
    (look_alike("mcp.shared.exceptions.MCPError", code=-32000), "agent.tool_server_unavailable"),
    (look_alike("mcp.shared.exceptions.MCPError", code=5), "agent.tool_server_unavailable"),
    (look_alike("redis.exceptions.TimeoutError"), "communication.timeout"),
    (look_alike("redis.exceptions.BusyLoadingError", "redis.exceptions.ConnectionError"), "communication.unavailable"),
    (look_alike("redis.exceptions.AuthenticationError", "redis.exceptions.ConnectionError"), "configuration.setting"),
    (look_alike("redis.exceptions.ReadOnlyError"), "communication.unavailable"),
    (
        look_alike("psycopg.errors.AdminShutdown", "psycopg.OperationalError", sqlstate="57P01"),
        "session.store_unavailable",
    ),
    (look_alike("psycopg.errors.UniqueViolation", "psycopg.IntegrityError", sqlstate="23505"), "session.conflict"),
    (look_alike("psycopg.errors.DataCorrupted", "psycopg.InternalError", sqlstate="XX001"), "session.corrupted"),
    (look_alike("psycopg.OperationalError"), "session.store_unavailable"),
    (
        look_alike("websockets.exceptions.ConnectionClosedError", "websockets.exceptions.ConnectionClosed"),
        "communication.connection_lost",
    ),
    (
        look_alike("websockets.exceptions.InvalidStatus", "websockets.exceptions.InvalidHandshake"),
        "communication.unavailable",
    ),
    (look_alike("livekit.agents._exceptions.APITimeoutError"), "voice.unavailable"),
]


@pytest.mark.parametrize(
    "error, kind", ABSENT, ids=lambda value: value if isinstance(value, str) else type(value).__name__
)
def test_libraries_that_are_not_installed_are_known_by_name(error: Exception, kind: str) -> None:
    renamed = classify(error)
    assert renamed is not None
    assert renamed.kind == kind


def test_the_same_failure_has_each_familys_name() -> None:
    refused = ConnectionRefusedError()
    names = {family: name_of(refused, family) for family in AIErrorCategory}
    assert names[MODEL] == "model.unavailable"
    assert names[AGENT] == "agent.tool_server_unavailable"
    assert names[SESSION] == "session.store_unavailable"
    assert names[AIErrorCategory.MEMORY] == "memory.unavailable"
    assert names[AIErrorCategory.VOICE] == "voice.unavailable"
    assert names[AIErrorCategory.SECURITY] == "communication.unavailable"


def test_the_other_sides_wish_is_kept() -> None:
    renamed = classify(openai_status(429, retry_after="7"))
    assert renamed is not None
    assert (renamed.retry_after_s, renamed.facts["foreign_status"]) == (7, 429)


def chained(outer: Exception, inner: BaseException) -> Exception:
    outer.__cause__ = inner
    return outer


def test_a_wrapper_asks_its_cause_first() -> None:
    assert name_of(chained(openai.APIConnectionError(request=REQUEST), httpx2.ReadError("cut"))) == "model.truncated"
    unknown = chained(openai.APIConnectionError(request=REQUEST), KeyError("what"))
    assert name_of(unknown) == "model.unavailable"


def test_one_of_ours_inside_a_wrapper_is_itself() -> None:
    ours = ModelTruncatedError("cut")
    assert classify(ours) is ours
    assert classify(chained(openai.APIConnectionError(request=REQUEST), ours)) is ours
    assert (
        classify(
            chained(pydantic_ai.ModelAPIError("m", "x"), chained(openai.APIConnectionError(request=REQUEST), ours))
        )
        is ours
    )


def test_an_unknown_exception_is_what_its_explicit_cause_is() -> None:
    class TheirError(Exception):
        pass

    assert name_of(chained(TheirError(), TimeoutError())) == "communication.timeout"
    beside = TheirError()
    beside.__context__ = TimeoutError()
    assert kind_of(beside) is None


def test_a_group_is_what_its_first_known_member_is() -> None:
    group = ExceptionGroup("several", [KeyError("x"), ExceptionGroup("inner", [TimeoutError()])])
    assert name_of(group) == "communication.timeout"


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), OSError("no number"), asyncio.CancelledError(), KeyboardInterrupt()]
)
def test_what_nobody_knows_gets_no_name(error: BaseException) -> None:
    assert classify(error) is None
    assert kind_of(error) is None


def test_a_circle_of_causes_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert classify(first) is None


def test_an_adapter_teaches_its_librarys_exceptions() -> None:
    class SpeechError(Exception):
        pass

    SpeechError.__module__ = "some_speech.errors"
    register({"some_speech.SpeechError": Nature.OVERLOADED}, family=AIErrorCategory.VOICE)
    try:
        assert name_of(SpeechError()) == "voice.unavailable"
    finally:
        del NATURE_BY_TYPE["some_speech.SpeechError"]
