"""A server whose chains mix models of five dialects and OpenAI's, at the base URL: each the other's fallback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.faults.dialect_provider import DialectProvider, Says
from tests.faults.dialects import DIALECTS, INPUT_TOKENS, OUTPUT_TOKENS
from tests.faults.harness import FIRST_TOKEN_S, IDLE_S, Server
from tests.faults.v1 import LONGEST_S, NOTHING_KEPT, TOOL, Answer, ask
from yaoki.faults import Script, ScriptedProvider

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

_MODEL = """
[models."{name}"]
provider = "{provider}"
model = "{model}"
base_url = "{url}"
fallbacks = {fallbacks}
{key}first_token_timeout_s = {first_token_s}
idle_timeout_s = {idle_s}
move_back_s = 0
[breakers."{name}"]
threshold = 10000
"""
_CALL = ("charge", {"amount": 12})


@dataclass(slots=True)
class Mixed:
    """The server; its models are named by dialect, `gpt-<dialect>` the other way round, `<dialect>-alone` without."""

    server: Server
    http: httpx2.AsyncClient
    dialects: dict[str, DialectProvider]
    gpt: ScriptedProvider

    async def ask_all(self, model: str, says: Says, **more: Any) -> dict[tuple[str, bool], Answer]:
        """The same question to every dialect that has this behaviour, streamed and not, all at once."""
        for provider in self.dialects.values():
            provider.play(says)
        wanted = [(name, streamed) for name in self.dialects for streamed in (True, False)]
        answers = (ask(self.http, model.format(name), streamed=streamed, **more) for name, streamed in wanted)
        return dict(zip(wanted, await asyncio.gather(*answers), strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_mixed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mixed]:
    async with AsyncExitStack() as stack:
        dialects = {name: await stack.enter_async_context(DialectProvider(name)) for name in DIALECTS}
        gpt = await stack.enter_async_context(ScriptedProvider())
        tables = "".join(_tables(name, provider.base_url, gpt.base_url) for name, provider in dialects.items())
        server = Server(tmp_path_factory.mktemp("dialects"), [], NOTHING_KEPT + tables)
        stack.push_async_callback(server.kill)
        with pytest.MonkeyPatch.context() as environment:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "DIALECT_KEY"):
                environment.setenv(name, "eu-central-1")
            await server.start()
        client = httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=LONGEST_S)
        yield Mixed(server, await stack.enter_async_context(client), dialects, gpt)


@pytest_asyncio.fixture(loop_scope="module")
async def mixed(shared_mixed: Mixed) -> AsyncIterator[Mixed]:
    """The shared one, with a healthy `gpt`; its log is shown when the test fails."""
    shown = len(shared_mixed.server.log)
    await shared_mixed.gpt.play(Script())
    yield shared_mixed
    print(shared_mixed.server.log[shown:][-4_000:])


def _tables(name: str, url: str, gpt_url: str) -> str:
    def table(own: str, *, speaks: str, fallbacks: list[str]) -> str:
        provider, model, at = (name, DIALECTS[name].model, url) if speaks == name else ("openai", "gpt", gpt_url)
        key = "" if provider in ("openai", "bedrock") else 'api_key_env = "DIALECT_KEY"\n'
        return _MODEL.format(
            name=own,
            provider=provider,
            model=model,
            url=at,
            fallbacks=fallbacks,
            key=key,
            first_token_s=FIRST_TOKEN_S,
            idle_s=IDLE_S,
        )

    return (
        table(name, speaks=name, fallbacks=[f"{name}-gpt"])
        + table(f"{name}-gpt", speaks="openai", fallbacks=[])
        + table(f"gpt-{name}", speaks="openai", fallbacks=[f"{name}-alone"])
        + table(f"{name}-alone", speaks=name, fallbacks=[])
        + "".join(f'[agents."{own}"]\nmodel = "{own}"\n' for own in (name, f"gpt-{name}", f"{name}-alone"))
    )


async def test_a_healthy_answer_comes_with_its_usage(mixed: Mixed) -> None:
    answers = await mixed.ask_all("{}-alone", Says(), stream_options={"include_usage": True})
    for asked, answer in answers.items():
        answer.assert_whole()
        assert answer.usage is not None, asked
        assert (answer.usage["prompt_tokens"], answer.usage["completion_tokens"]) == (INPUT_TOKENS, OUTPUT_TOKENS)


@pytest.mark.requirement("M1", "M4", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M23", "M24", "P-2", "P-3")
@pytest.mark.parametrize(
    "says",
    [
        *(
            Says(fault=fault)
            for fault in ("cut", "reset", "error", "damaged", "stall", "drip", "hang", "pings", "page")
        ),
        *(Says(fault=fault) for fault in ("rate_limited", "unauthorized", "not_found", "too_long", "broken")),
        Says(text=""),
    ],
    ids=lambda says: says.fault or "empty",
)
async def test_what_one_leaves_undone_openais_does(mixed: Mixed, says: Says) -> None:
    for (name, _), answer in (await mixed.ask_all("{}", says)).items():
        answer.assert_whole()
        assert answer.story["models"][-1] == f"{name}-gpt"


@pytest.mark.requirement("M11", "M13", "P-2", "P-3")
@pytest.mark.parametrize("fault, prefill", [("cut_mid_stream", True), ("error_event", False)])
async def test_what_openais_leaves_undone_the_others_do(mixed: Mixed, fault: str, *, prefill: bool) -> None:
    await mixed.gpt.play(Script(fault=fault))
    for (name, _), answer in (await mixed.ask_all("gpt-{}", Says(prefill=prefill))).items():
        answer.assert_whole()
        assert answer.story["models"][-1] == f"{name}-alone"


@pytest.mark.requirement("M11", "M23", "M24", "P-2", "P-7")
@pytest.mark.parametrize("fault, kind", [("unfinished", "truncated"), ("unauthorized", "authentication")])
async def test_alone_it_is_plainly_told_and_why(mixed: Mixed, fault: str, kind: str) -> None:
    for answer in (await mixed.ask_all("{}-alone", Says(fault=fault))).values():
        assert answer.told
        assert answer.error is not None
        assert {attempt["kind"] for attempt in answer.error["attempts"]} == {f"model.{kind}"}


@pytest.mark.requirement("M22")
async def test_what_is_too_long_for_it_is_said_by_openais_code(mixed: Mixed) -> None:
    for answer in (await mixed.ask_all("{}-alone", Says(fault="too_long"))).values():
        assert answer.error is not None
        assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


@pytest.mark.requirement("M18", "M19")
@pytest.mark.parametrize("end, reason", [("length", "length"), ("filter", "content_filter")])
async def test_limits_and_filters_are_told_in_openais_words(mixed: Mixed, end: str, reason: str) -> None:
    for (name, _), answer in (await mixed.ask_all("{}-alone", Says(end=end))).items():
        if end in DIALECTS[name].words:
            assert (answer.finishes, answer.error) == ([reason], None)


@pytest.mark.requirement("M27")
async def test_a_call_that_one_began_is_made_once_by_openais(mixed: Mixed) -> None:
    await mixed.gpt.play(Script(fault="tool_call", arguments={"amount": 12}))
    for fault in ("cut", None):
        says = Says(text="I look. ", calls=[_CALL], fault=fault)
        for answer in (await mixed.ask_all("{}", says, tools=[TOOL])).values():
            [call] = answer.calls
            assert (call["function"]["name"], call["function"]["arguments"].replace(" ", "")) == (
                "charge",
                '{"amount":12}',
            )
            assert answer.finishes == ["tool_calls"]
