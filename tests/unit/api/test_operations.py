from tests.unit.api.served import Served


async def test_alive(served: Served) -> None:
    response = await served.client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert (await served.client.head("/livez")).status_code == 200  # as some balancers ask
    assert (await served.client.head("/readyz")).status_code == 200


async def test_ready_while_messages_are_taken(served: Served) -> None:
    response = await served.client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True, "reasons": {}})
    verbose = (await served.client.get("/readyz?verbose")).json()
    assert verbose["checks"]["store"] == "ok"
    assert verbose["notes"] == {}


async def test_not_ready_while_draining_with_the_reason(served: Served) -> None:
    served.orchestrator.draining = True
    response = await served.client.get("/readyz?verbose")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["ready"] is False
    assert response.json()["reasons"] == {"intake": "draining"}
    assert response.json()["checks"]["store"] == "ok"
    assert (await served.client.get("/livez")).status_code == 200


async def test_metrics_are_given_as_they_are(served: Served) -> None:
    response = await served.client.get("/metrics")
    assert (response.status_code, response.content) == (200, b"up 1\n")
    assert response.headers["content-type"].startswith("text/plain; version=1")


async def test_routes_are_described_without_a_page_from_elsewhere(served: Served) -> None:
    description = (await served.client.get("/openapi.json")).json()
    assert "/ai/sessions/{session_id}/events" in description["paths"]
    assert (await served.client.get("/redoc")).status_code == 404
