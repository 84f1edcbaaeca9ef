"""Makes docs/providers.md from the providers' upstreams and from what is played: `python -m tests.provider_table`."""

from dataclasses import dataclass

import pytest
from pydantic_ai.models import Model

from tests.architecture.sources import ROOT
from tests.contracts.llm import test_anthropic, test_provider_dialects
from tests.faults.anthropic import STATUSES
from tests.faults.dialects import DIALECTS
from yaoki.faults import FAULTS
from yaoki.llm.upstreams.providers import provider_upstream
from yaoki.llm.upstreams.pydantic_upstream import PydanticUpstream
from yaoki.llm.upstreams.sdks import SDKS
from yaoki.llm.upstreams.upstreams import openai_upstream

PAGE = ROOT / "docs" / "providers.md"

_HEAD = """# Providers

What each value of `provider` needs, and what is proven about it. This page is made by `python -m tests.provider_table`.

- **watched**: the stream is judged by us before an SDK can skip a fault or call half an answer a success. Its end is
  the provider's own terminator, and what happens to the connection after it costs nothing.
- **half an answer**: how the rest is asked for. `prefill` is tried first and used where one probe shows that the model
  goes on; with vLLM's fields as well, where a request may carry them. Else the model is instructed.
- **ways to fail**: how many a scripted provider plays on that wire, over sockets, in front of a healthy fallback. The
  answer is whole, the failure has its kind, and without a fallback it is told. The lean wire's are in
  [rows.md](rows.md).

No provider was asked over the internet for this: the wires are made after the types in the SDKs and the errors that
pydantic-ai knows from recordings.

| provider | pip install | watched | half an answer | ways to fail | shown by |
|---|---|---|---|---|---|
"""

_TAIL = """
What to know about single ones:

- `bedrock`: region and credentials are found as AWS's SDK does; a key from `api_key_env` is AWS's bearer token, which
  that SDK sends over TLS only. It works in threads, at most 40 answers at a time in one process, and a thread in which
  nothing arrives is held for up to a minute. The SDK's retries are off.
- `cohere`: errors inside a stream have a wording and no code, so they are `model.unavailable` whatever they mean.
- `google`: ends an answer with tool calls as any other; we say `tool_calls`. A daily quota and a wrong key are told
  from a rate limit and a wrong request by the error's details. Where a connection stays open after the end, that costs
  a second.
- `mistral`: has no word for a filtered answer; a finish reason that its SDK does not know counts as a cut.
- A pydantic-ai model of your own, in an agent: what speaks OpenAI's chat completions is watched, and so is Anthropic's;
  every other one is trusted to report its own cuts. An answer without a finish reason is never taken for whole, and one
  whose finish reason is an error is a cut.
"""


@dataclass(frozen=True, slots=True)
class _Row:
    provider: str
    install: str
    upstream: PydanticUpstream
    ways: int
    shown_by: str


def page() -> str:
    """The page, from the code and the tests as they are."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            environment.setenv(name, "eu-central-1")
        rows = [_openai(), *map(_sdk, SDKS)]
    return _HEAD + "".join(map(_line, rows)) + _TAIL


def _openai() -> _Row:
    upstream = openai_upstream(model="m", base_url="http://127.0.0.1:9/v1")
    return _Row("openai", "yaoki[chain]", upstream, len(FAULTS), "[rows](rows.md)")


def _sdk(provider: str) -> _Row:
    key = "" if provider == "bedrock" else "k"
    upstream = provider_upstream(provider, model="m", base_url="http://127.0.0.1:9", api_key=key)
    if provider in DIALECTS:
        shown = "[chain](../tests/contracts/llm/test_provider_dialects.py), [/v1](../tests/faults/test_v1_providers.py)"
        return _Row(provider, f"yaoki[{provider}]", upstream, _ways(provider), shown)
    shown = "[chain](../tests/contracts/llm/test_anthropic.py), [/v1](../tests/faults/test_v1_anthropic.py)"
    return _Row(provider, f"yaoki[{provider}]", upstream, len(test_anthropic.CUT) + len(STATUSES), shown)


def _ways(provider: str) -> int:
    return sum(
        test_provider_dialects.plays(provider, fault)
        for fault in (*test_provider_dialects.CUT, *test_provider_dialects.BEFORE)
    )


def _line(row: _Row) -> str:
    watched = "yes" if row.upstream.verified else "unverified"
    model: Model = row.upstream.model
    fields = "" if "extra_body" in model.unsupported_settings else ", also vLLM's way"
    cells = (
        f"`{row.provider}`",
        f"`{row.install}`",
        watched,
        f"prefill{fields}; instruction",
        str(row.ways),
        row.shown_by,
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
