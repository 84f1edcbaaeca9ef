"""Other people's OpenAI clients on the base URL, unchanged: they get whole answers, and raise where there is none."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.clients.environment import CLIENTS, ask, interpreter
from tests.faults.harness import Stage
from tests.faults.stages import stage
from tests.faults.v1 import NOTHING_KEPT
from yaoki.faults import ANSWER, Script

__all__ = ["stage"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A server with three providers, which keeps no answers."""
    folder = tmp_path_factory.mktemp("server")
    async with Stage(folder, Script(), Script(), Script(), extra=NOTHING_KEPT) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def python() -> AsyncIterator[str]:
    """The interpreter of the clients' own environment."""
    yield interpreter()


@pytest.mark.requirement("M11", "P-2", "P-3")
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_cut_in_mid_stream_is_a_whole_answer_for_every_client(stage: Stage, python: str, client: str) -> None:
    await stage.play(Script(fault="cut_mid_stream"), Script(), Script())
    answer = await ask(python, client, f"{stage.server.url}/v1")
    assert stage.first.fired["cut_mid_stream"] == 1
    assert answer.get("raised") is None
    assert (answer["text"], answer["finish"] or "stop") == (ANSWER, "stop")


@pytest.mark.requirement("M11", "M25", "P-2")
@pytest.mark.parametrize("client", CLIENTS)
async def test_where_there_is_no_answer_every_client_raises(stage: Stage, python: str, client: str) -> None:
    await stage.play(Script(fault="cut_mid_stream", at=166), Script(fault="http_500"), Script(fault="html"))
    answer = await ask(python, client, f"{stage.server.url}/v1")
    assert "None of the models could answer" in answer["raised"]
    assert answer["text"].strip() == "" or ANSWER.startswith(answer["text"].rstrip("\n"))
    assert bool(answer["text"].strip()) == client.endswith("-streamed")
