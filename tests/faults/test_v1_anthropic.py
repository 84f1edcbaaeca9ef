"""A server whose chains mix Anthropic's models and OpenAI's: at the base URL and in a session, cut in the middle."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from tests.faults.anthropic import AnthropicProvider, Says
from tests.faults.harness import IDLE_S, Server
from tests.faults.page import Page
from tests.faults.v1 import LONGEST_S, TOOL, ask
from yaoki.faults import ANSWER, Script, ScriptedProvider

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

_MODEL = """
[models.{name}]
provider = "{provider}"
model = "claude-sonnet-4-6"
base_url = "{url}"
fallbacks = {fallbacks}
idle_timeout_s = {idle_s}
move_back_s = 0
[breakers.{name}]
threshold = 10000
"""
_AGENT = '[agents.default]\nmodel = "claude"\n'


@dataclass(slots=True)
class Mixed:
    """The server, and the providers of its models `claude` and `gpt`, each the other's fallback."""

    server: Server
    http: httpx2.AsyncClient
    claude: AnthropicProvider
    gpt: ScriptedProvider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_mixed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mixed]:
    async with AsyncExitStack() as stack:
        claude = await stack.enter_async_context(AnthropicProvider())
        gpt = await stack.enter_async_context(ScriptedProvider())
        tables = "".join(
            _MODEL.format(name=name, provider=provider, url=url, fallbacks=fallbacks, idle_s=IDLE_S)
            for name, provider, url, fallbacks in (
                ("claude", "anthropic", claude.base_url, ["gpt"]),
                ("gpt", "openai", gpt.base_url, ["claude"]),
                ("alone", "anthropic", claude.base_url, []),
            )
        )
        server = Server(tmp_path_factory.mktemp("mixed"), [], tables + _AGENT)
        stack.push_async_callback(server.kill)
        await server.start()
        client = httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=LONGEST_S)
        yield Mixed(server, await stack.enter_async_context(client), claude, gpt)


@pytest_asyncio.fixture(loop_scope="module")
async def mixed(shared_mixed: Mixed) -> AsyncIterator[Mixed]:
    """The shared one, with healthy providers; its log is shown when the test fails."""
    shown = len(shared_mixed.server.log)
    shared_mixed.claude.says = Says()
    await shared_mixed.gpt.play(Script())
    yield shared_mixed
    print(shared_mixed.server.log[shown:][-4_000:])


@pytest.mark.requirement("M11", "M13", "M14", "P-2", "P-3")
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("fault", ["cut", "reset", "error", "stall", "overloaded"])
async def test_what_anthropic_leaves_undone_is_done_by_the_other(mixed: Mixed, fault: str, *, streamed: bool) -> None:
    mixed.claude.says = Says(fault=fault)
    answer = await ask(mixed.http, "claude", streamed=streamed, stream_options={"include_usage": True})
    answer.assert_whole()
    models = answer.story["models"]
    assert models[-1] == "gpt"  # alone where the fault came in one read with all that was said before it
    assert answer.story["usage_estimated"] == (len(models) > 1)
    assert answer.usage is not None
    assert answer.usage["completion_tokens"] > 1


@pytest.mark.requirement("M11", "M14", "P-2", "P-3")
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("fault", ["cut_mid_stream", "stall_mid_stream", "error_event"])
async def test_what_the_other_leaves_undone_is_done_by_anthropic(mixed: Mixed, fault: str, *, streamed: bool) -> None:
    await mixed.gpt.play(Script(fault=fault))
    answer = await ask(mixed.http, "gpt", streamed=streamed)
    answer.assert_whole()
    assert answer.story["models"][-1] == "claude"


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_call_that_anthropic_began_is_made_once_by_the_other(mixed: Mixed, *, streamed: bool) -> None:
    mixed.claude.says = Says(text="I look. ", calls=[("charge", {"amount": 12})], fault="cut", stop_reason="tool_use")
    await mixed.gpt.play(Script(fault="tool_call", arguments={"amount": 12}))
    answer = await ask(mixed.http, "claude", streamed=streamed, tools=[TOOL])
    [call] = answer.calls
    assert call["function"] == {"name": "charge", "arguments": '{"amount": 12}'}
    assert answer.finishes == ["tool_calls"]
    mixed.claude.says = Says(text="", calls=[("charge", {"amount": 12})], stop_reason="tool_use")
    answer = await ask(mixed.http, "claude", streamed=streamed, tools=[TOOL])
    assert (answer.calls[0]["function"]["name"], answer.finishes) == ("charge", ["tool_calls"])


@pytest.mark.requirement("M11", "P-3")
async def test_a_turn_goes_on_from_anthropic_to_the_other(mixed: Mixed) -> None:
    mixed.claude.says = Says(fault="cut")
    created = await mixed.http.post("/ai/sessions", json={"session_type": "chat"})
    session = created.json()["session_id"]
    page = Page(mixed.server.url, session)
    await page.connect()
    accepted = await mixed.http.post(f"/ai/sessions/{session}/messages", json={"content": "How many ships?"})
    assert accepted.status_code == 202
    await page.until_ended()
    page.assert_whole(ANSWER)
    await page.cut()


@pytest.mark.parametrize("streamed", [True, False])
async def test_what_it_cannot_be_asked_is_refused_by_field_and_taken_by_the_other(
    mixed: Mixed, *, streamed: bool
) -> None:
    refused = await ask(mixed.http, "alone", streamed=streamed, grammar="x")
    assert refused.error is not None
    assert (refused.status, "grammar" in refused.error["message"]) == (400, True)
    taken = await ask(mixed.http, "claude", streamed=streamed, grammar="x")
    taken.assert_whole()
    assert taken.story["models"] == ["gpt"]
