import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.unit.api.conftest import Serve
from tests.unit.api.served import Served
from yaoki.api import ApiPolicy
from yaoki.errors import SessionStoreUnavailableError

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = "application/json"
STRANGER = "https://evil.example"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One application for the module: a refused request leaves nothing behind."""
    async with Served.at(tmp_path_factory.mktemp("refusals") / "yaoki.db", ApiPolicy(message_chars=100)) as served:
        yield served


def assert_problem(response: Any, status: int, *, route: str | None = None, field: str | None = None) -> dict[str, Any]:
    """An RFC 9457 document that names the route, the field and a remedy."""
    document = response.json()
    assert response.status_code == document["status"] == status, document
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "detail", "kind", "category", "severity", "fault", "retryable", "route"} <= set(document)
    assert document.get("remedy")
    assert route is None or document["route"] == route
    assert field is None or document["field"] == field
    return document


@pytest.mark.requirement("P-8")
async def test_an_unknown_route_is_named(served: Served) -> None:
    assert_problem(await served.client.get("/ai/nothing"), 404, route="GET /ai/nothing")
    assert_problem(await served.client.get("/ai/sessions/"), 404)
    assert_problem(await served.client.get("/docs"), 404)


@pytest.mark.requirement("P-8")
async def test_a_method_that_a_route_does_not_take_is_told_which_it_takes(served: Served) -> None:
    response = await served.client.put("/ai/sessions", json={})
    document = assert_problem(response, 405)
    assert response.headers["allow"] == "GET, POST"
    assert "GET, POST" in document["remedy"]
    one = await served.client.post(f"/ai/sessions/{await served.session()}", json={})
    assert one.headers["allow"] == "GET, PATCH, DELETE"


MESSAGES = "POST /ai/sessions/{session_id}/messages"


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": " \n\t"}, "content"),
        ({"content": None}, "content"),
        ({"content": 7}, "content"),
        ({"content": ["a"]}, "content"),
        ({"content": "a\0b"}, "content"),
        ({"content": "x" * 101}, "content"),
        ({"content": "x", "id": ""}, "id"),
        ({"content": "x", "id": "x" * 129}, "id"),
        ({"content": "x", "id": "a\nb"}, "id"),
        ({"content": "x", "id": 7}, "id"),
        ({"content": "x", "colour": "red"}, "colour"),
        ([], "body"),
        ("text", "body"),
    ],
)
@pytest.mark.requirement("P-8")
async def test_a_wrong_message_is_told_which_field_and_why(served: Served, body: Any, field: str) -> None:
    session = await served.session()
    response = await served.client.post(f"/ai/sessions/{session}/messages", json=body)
    assert_problem(response, 422, route=MESSAGES, field=field)
    assert (await served.client.get(f"/ai/sessions/{session}/history")).json()["waiting"] == []


async def test_the_longest_message_and_id_are_taken(served: Served) -> None:
    body = {"content": "ü" * 100, "id": "x" * 128}
    response = await served.client.post(f"/ai/sessions/{await served.session()}/messages", json=body)
    assert response.status_code == 202


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b'{"content": "a"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"content": ' + b"9" * 5000 + b"}",
    ],
)
async def test_a_body_that_is_no_json_is_refused(served: Served, content: bytes) -> None:
    path = f"/ai/sessions/{await served.session()}/messages"
    response = await served.client.post(path, content=content, headers={"Content-Type": JSON})
    assert_problem(response, 422 if content == b"" else 400, route=MESSAGES)


async def test_half_a_character_is_refused(served: Served) -> None:
    path = f"/ai/sessions/{await served.session()}/messages"
    response = await served.client.post(path, content=rb'{"content": "\ud800"}', headers={"Content-Type": JSON})
    assert_problem(response, 422, field="content")


@pytest.mark.parametrize(
    "metadata",
    [
        b"[1]",
        b'{"a": NaN}',
        b'{"a": [-Infinity]}',
        rb'{"a": "\ud800"}',
        rb'{"\u0000": 1}',
        b'{"a":' * 9 + b"1" + b"}" * 9,
    ],
)
async def test_metadata_that_cannot_be_kept_is_refused(served: Served, metadata: bytes) -> None:
    content = b'{"session_type": "chat", "metadata": ' + metadata + b"}"
    response = await served.client.post("/ai/sessions", content=content, headers={"Content-Type": JSON})
    assert_problem(response, 422, route="POST /ai/sessions", field="metadata")


@pytest.mark.parametrize(
    "body, field", [({"session_type": "fax"}, "session_type"), ({"session_type": "chat", "agent": "who"}, "agent")]
)
async def test_a_session_that_cannot_be_had_is_refused(served: Served, body: dict[str, str], field: str) -> None:
    response = await served.client.post("/ai/sessions", json=body)
    assert response.status_code == 422
    assert response.json()["field"] == field


@pytest.mark.parametrize("limit", ["0", "-1", "201", "many", ""])
async def test_a_limit_out_of_range_is_refused(served: Served, limit: str) -> None:
    response = await served.client.get("/ai/sessions", params={"limit": limit})
    assert_problem(response, 422, route="GET /ai/sessions", field="limit")


@pytest.mark.parametrize("title", ["", "   ", "a\nb", "x" * 201])
async def test_a_title_must_be_a_line(served: Served, title: str) -> None:
    response = await served.client.patch(f"/ai/sessions/{await served.session()}", json={"title": title})
    assert_problem(response, 422, field="title")


@pytest.mark.parametrize("session", ["x" * 129, "a%00b", "%F0%9F", "..%2F..%2Fetc"])
async def test_what_cannot_be_a_session_is_not_found(served: Served, session: str) -> None:
    assert (await served.client.get(f"/ai/sessions/{session}/history")).status_code == 404


# Who may ask.


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "localhost", "[::1]:{port}", "127.8.8.8"])
async def test_loopback_names_are_ours(served: Served, host: str) -> None:
    response = await served.client.get("/livez", headers={"Host": host.format(port=served.port)})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8400", "localhost.evil.example", "10.0.0.1", "", "[::2]"]
)
@pytest.mark.requirement("X7")
async def test_another_name_is_not_ours(served: Served, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/livez"), ("GET", "/ai/sessions"), ("POST", "/ai/sessions")):
        response = await served.client.request(method, path, headers={"Host": host})
        assert_problem(response, 403, field="Host")


async def test_configured_names_are_ours(serve: Serve) -> None:
    async with serve(ApiPolicy(hosts=("Yaoki.example",))) as served:
        assert (await served.client.get("/livez", headers={"Host": "yaoki.example:443"})).status_code == 200


UNSAFE = [
    ("POST", "/ai/sessions"),
    ("PATCH", "/ai/sessions/{}"),
    ("DELETE", "/ai/sessions/{}"),
    ("POST", "/ai/sessions/{}/messages"),
    ("POST", "/ai/sessions/{}/cancel"),
    ("POST", "/ai/sessions/{}/close"),
    ("POST", "/ai/sessions/{}/recover"),
    ("POST", "/unknown"),
]


@pytest.mark.parametrize("method, path", UNSAFE)
@pytest.mark.parametrize("origin", [STRANGER, "null", "http://127.0.0.1:1", "file://", "http://localhost"])
@pytest.mark.requirement("X6")
async def test_a_page_of_another_site_changes_nothing(served: Served, method: str, path: str, origin: str) -> None:
    session = await served.session()
    response = await served.client.request(method, path.format(session), headers={"Origin": origin})
    assert_problem(response, 403, field="Origin")
    assert (await served.client.get(f"/ai/sessions/{session}")).json()["status"] == "open"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_browser_that_says_where_a_request_comes_from_is_believed(served: Served, site: str) -> None:
    response = await served.client.post("/ai/sessions", headers={"Sec-Fetch-Site": site})
    assert_problem(response, 403, field="Origin")


async def test_our_own_page_and_programs_may_ask(served: Served) -> None:
    own = {"Origin": f"http://127.0.0.1:{served.port}", "Sec-Fetch-Site": "same-origin"}
    assert (await served.client.post("/ai/sessions", json={}, headers=own)).status_code == 201
    assert (await served.client.post("/ai/sessions", json={})).status_code == 201


async def test_a_configured_origin_may_ask_and_read(serve: Serve) -> None:
    async with serve(ApiPolicy(origins=("https://app.example",))) as served:
        headers = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
        preflight = await served.client.options("/ai/sessions", headers=headers)
        assert preflight.status_code == 204
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        created = await served.client.post("/ai/sessions", json={}, headers=headers)
        assert created.status_code == 201
        assert created.headers["access-control-allow-origin"] == "https://app.example"
        other = await served.client.get("/ai/sessions", headers={"Origin": STRANGER})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_body_must_be_declared_as_json(served: Served, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await served.client.post("/ai/sessions", content=b"{}", headers=headers)
    assert_problem(response, 415, field="Content-Type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
async def test_json_has_several_names(served: Served, content_type: str) -> None:
    response = await served.client.post("/ai/sessions", content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 201


# How much.


@pytest.mark.requirement("X3")
async def test_a_large_body_is_refused_before_it_is_sent(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(
        b"POST /ai/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 209715200\r\n\r\n"
    )
    async with asyncio.timeout(20):
        answer = await reader.read()  # to the end: the server closes
    writer.close()
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"connection: close" in answer.lower()
    assert b'"limit": 1048576' in answer


@pytest.mark.requirement("X3")
async def test_a_body_without_a_length_is_counted_as_it_comes(serve: Serve) -> None:
    async with serve(ApiPolicy(body_bytes=100_000)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"POST /ai/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(3):
            writer.write(b"c350\r\n" + b" " * 50_000 + b"\r\n")
        async with asyncio.timeout(20):
            assert b" 413 " in await reader.readline()
        writer.close()


@pytest.mark.requirement("X11")
async def test_a_body_that_never_comes_is_not_waited_for(serve: Serve) -> None:
    async with serve(ApiPolicy(request_timeout_s=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"POST /ai/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        async with asyncio.timeout(20):
            assert b" 408 " in await reader.readline()
        writer.close()


# When something is wrong on our side.


async def test_a_store_that_is_down_is_said_with_a_time_to_come_back(served: Served) -> None:
    @served.app.get("/down")
    async def down() -> None:
        raise SessionStoreUnavailableError("The disk is full.")

    response = await served.client.get("/down")
    document = assert_problem(response, 503, route="GET /down")
    assert document["kind"] == "session.store_unavailable"
    assert int(response.headers["retry-after"]) >= 1
    assert document["retry_after_s"] > 0


@pytest.mark.requirement("X10")
async def test_an_unexpected_error_tells_nothing_of_the_inside(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    @served.app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("canary in the code")

    response = await served.client.get("/broken")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "canary" not in response.text
    assert "GET /broken failed unexpectedly" in caplog.text
    assert "canary in the code" in caplog.text


async def test_every_answer_is_guarded_against_misuse(served: Served) -> None:
    session = await served.session()
    for path in ("/livez", "/readyz", "/metrics", "/ai/sessions", f"/ai/sessions/{session}", "/nothing", "/"):
        headers = (await served.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in headers
    async with served.follow(session) as stream:
        assert stream.response.headers["x-content-type-options"] == "nosniff"
