"""From the request to the last frame, with a real runner, a real chain and providers that fail on cue."""

from pathlib import Path

import httpx2
import pytest

from tests.unit.api.agui import Client
from tests.unit.api.served import Stream, serving
from tests.unit.turns.instance import Instance
from yaoki.api import ApiPolicy, create_app
from yaoki.faults import ScriptedProvider
from yaoki.faults.script import ANSWER, Script


@pytest.mark.requirement("M11", "P-2", "P-3")
async def test_a_cut_answer_reaches_the_client_whole_and_says_that_it_was_cut(tmp_path: Path) -> None:
    broken, healthy = Script(fault="cut_mid_stream"), Script()
    async with ScriptedProvider(broken) as one, ScriptedProvider(healthy) as two:
        instance = await Instance.start(tmp_path / "yaoki.db", [one, two])
        app = create_app(instance.orchestrator, ApiPolicy(), metrics=lambda: (b"", "text/plain"), page_dir=None)
        async with serving(app, ApiPolicy()) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            session = await instance.session()
            path, headers = f"/ai/sessions/{session.id}/messages", {"Accept": "text/event-stream"}
            async with client.stream("POST", path, json={"content": "Count."}, headers=headers) as response:
                frames = await Stream(response).rest()
        await instance.aclose()
    reader = Client()
    reader.take(frame.body for frame in frames)
    assert frames[0].body["type"] == "RUN_STARTED"
    assert [text for _, role, text in reader.messages if role == "assistant"] == [ANSWER]
    told = [frame.body["name"] for frame in frames if frame.body["type"] == "CUSTOM"]
    assert told == ["yaoki.failover", "yaoki.continued"]
    assert frames[-1].body["result"]["models"] == ["one", "two"]
    assert len(reader.ends) == 1
