import pytest

from tests.unit.api.served import Served


async def test_created_session_has_every_field(served: Served) -> None:
    response = await served.client.post("/ai/sessions", json={"session_type": "chat", "metadata": {"a": [1, "é"]}})
    session = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/ai/sessions/{session['session_id']}"
    assert set(session) == {
        "session_id", "session_type", "agent", "title", "status", "created_at", "updated_at", "metadata",
    }  # fmt: skip
    assert (session["session_type"], session["agent"], session["status"]) == ("chat", "default", "open")
    assert session["metadata"] == {"a": [1, "é"]}
    assert session["created_at"].endswith("Z")
    shown = await served.client.get(f"/ai/sessions/{session['session_id']}")
    assert shown.json() == session


@pytest.mark.parametrize("json", [None, {}, {"agent": "other"}])
async def test_a_session_needs_no_more_than_a_wish(served: Served, json: dict[str, str] | None) -> None:
    response = await served.client.post("/ai/sessions", json=json)
    assert response.status_code == 201
    assert response.json()["agent"] == ("other" if json else "default")


async def test_list_gives_the_newest_activity_first_in_pages(served: Served) -> None:
    first, second, third = [await served.session() for _ in range(3)]
    await served.answer(first, "hello there", "hi")
    page = (await served.client.get("/ai/sessions", params={"limit": 2})).json()["sessions"]
    assert [session["session_id"] for session in page] == [first, third]
    assert page[0]["title"] == "hello there"
    rest = await served.client.get("/ai/sessions", params={"limit": 2, "before": third})
    assert [session["session_id"] for session in rest.json()["sessions"]] == [second]


async def test_rename_close_and_delete(served: Served) -> None:
    path = f"/ai/sessions/{await served.session()}"
    assert (await served.client.patch(path, json={"title": "Zwei Wörter"})).json()["title"] == "Zwei Wörter"
    assert (await served.client.post(f"{path}/close")).json()["status"] == "closed"
    refused = await served.client.post(f"{path}/messages", json={"content": "hi"})
    assert (refused.status_code, refused.json()["kind"]) == (409, "session.closed")
    deleted = await served.client.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await served.client.get(path)).status_code == 404


@pytest.mark.requirement("X5")
async def test_a_session_of_somebody_else_does_not_exist(served: Served) -> None:
    theirs = await served.orchestrator.create_session("somebody")
    path = f"/ai/sessions/{theirs.id}"
    client = served.client
    answers = [
        await client.get(path),
        await client.patch(path, json={"title": "mine"}),
        await client.delete(path),
        await client.get(f"{path}/history"),
        await client.get(f"{path}/events"),
        await client.post(f"{path}/messages", json={"content": "hi"}),
        await client.post(f"{path}/cancel"),
        await client.post(f"{path}/recover"),
        await client.post(f"{path}/close"),
    ]
    unknown = await client.get("/ai/sessions/s_unknown")
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["kind"] == unknown.json()["kind"] == "session.not_found"
    assert (await client.get("/ai/sessions")).json() == {"sessions": []}
