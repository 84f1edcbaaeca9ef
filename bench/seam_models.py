"""The two processes of the embedded model, and what the evaluation asks them beside answers."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import aiohttp

from yaoki.errors import AIOrchestrationError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy, Continuations
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Delta, Failover, Finish, HalfAnswer, Held, Restart, Text
from yaoki.llm.local.model import LocalModel
from yaoki.llm.local.upstream import LocalUpstream
from yaoki.llm.wire.request import WireRequest
from yaoki.resilience.breaker import CircuitBreaker

ANSWER_TOKENS = 110
SCORED_TOKENS = 8
_CERTAIN = 100.0
_PATIENCE_S = 120.0


def request_of(prompt: str) -> WireRequest:
    """Always the likeliest word: what differs afterwards is the seam's doing."""
    return WireRequest({"messages": [{"role": "user", "content": prompt}], "temperature": 0, "seed": 1})


class Joined:
    """What a person had in the end, and how."""

    def __init__(self, shown: str) -> None:
        self.text = self.shown = shown
        self.held = ""
        self.restarted = False
        self.failed = ""
        self.reason = ""
        self._held = ""

    def take(self, item: object) -> None:
        """One item of the chain."""
        match item:
            case Text():
                self.text += item.text
                self._held = item.held
            case Held():
                self._held = item.text
            case Failover():
                self.shown, self.held = self.text, self._held
            case Restart():
                self.restarted = True
            case Finish():
                self.reason = item.reason
            case _:
                pass


class CutUpstream:
    """Says what was recorded, piece by piece, up to so many characters; then the connection is gone."""

    verified = True

    def __init__(self, pieces: list[str], at: int) -> None:
        self._pieces = pieces
        self._at = at

    async def stream(self, _request: WireRequest, _half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """Every piece in a turn of the loop of its own, as from a network."""
        left = self._at
        for piece in self._pieces:
            if left > 0:
                yield Text(piece[:left])
                await asyncio.sleep(0)
            left -= len(piece)

    async def honours_prefill(self) -> bool:
        """Nobody asks it to go on."""
        return False

    async def ping(self) -> None:
        """It answers."""

    async def aclose(self) -> None:
        """It has nothing to close."""


class Writer:
    """One process: it writes whole answers, goes on with those of the other one, and judges how likely a text is."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self._upstream = LocalUpstream(model, max_output_tokens=ANSWER_TOKENS)
        self._session = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {model.api_key}", "connection": "close"}, raise_for_status=True
        )

    async def write(self, prompt: str) -> tuple[list[str], str]:
        """A whole answer in the pieces that it came in, and its finish reason."""
        pieces: list[str] = []
        reason = ""
        async with aclosing(self._upstream.stream(request_of(prompt), None)) as deltas:
            async for delta in deltas:
                match delta:
                    case Text():
                        pieces.append(delta.text)
                    case Finish():
                        reason = delta.reason
                    case _:
                        pass
        return pieces, reason

    async def go_on(self, prompt: str, pieces: list[str], at: int, mode: Continuations) -> Joined:
        """The first `at` characters come from the model that is cut there; this one is the next of the chain."""
        chain = Chain([_candidate("first", CutUpstream(pieces, at), "off"), _candidate("next", self._upstream, mode)])
        return await _read(chain, prompt, Joined(""))

    async def resume(self, prompt: str, before: Joined) -> Joined:
        """The server that had shown `before.shown` was killed there; this model goes on with what the log holds."""
        chain = Chain([_candidate("next", self._upstream, "prefill")])
        return await _read(chain, prompt, Joined(before.shown), before.held)

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._upstream.aclose()
        await self._session.close()

    async def likelihood(self, prompt: str, text: str, seam: int) -> float | None:
        """Bits per character that this model needs for what `text` says right after `seam`; None if it cannot say."""
        asked = (await self._ask("apply-template", messages=[{"role": "user", "content": prompt}]))["prompt"]
        known = (await self._ask("tokenize", content=asked + text[:seam], parse_special=True))["tokens"]
        coming = (await self._ask("tokenize", content=text[seam:]))["tokens"][:SCORED_TOKENS]
        nats, scored = 0.0, 0
        for token in coming:
            forced = await self._ask(
                "completion",
                prompt=known,
                n_predict=1,
                n_probs=1,
                logit_bias=[[token, _CERTAIN]],
                temperature=0,
                cache_prompt=True,
            )
            if "completion_probabilities" not in forced:
                break  # a token of bytes that are no character yet: the server says nothing of it
            nats -= forced["completion_probabilities"][0]["logprob"]
            known, scored = [*known, token], scored + 1
        said = (await self._ask("detokenize", tokens=coming[:scored]))["content"] if scored else ""
        return nats / math.log(2) / len(said) if said else None

    async def _ask(self, path: str, **body: Any) -> Any:
        root = self.model.base_url.removesuffix("/v1")
        async with self._session.post(f"{root}/{path}", json=body) as response:
            return await response.json()


def _candidate(name: str, upstream: Any, mode: Continuations) -> Candidate:
    policy = CandidatePolicy(
        first_token_timeout_s=_PATIENCE_S, idle_timeout_s=_PATIENCE_S, continuation=mode, move_back_s=0.0
    )
    return Candidate(name=name, upstream=upstream, breaker=CircuitBreaker(name), policy=policy)


async def _read(chain: Chain, prompt: str, joined: Joined, held: str = "") -> Joined:
    items = chain.stream(request_of(prompt), TurnBudget(_PATIENCE_S, 4), resume_text=joined.shown, resume_held=held)
    try:
        async with aclosing(items):
            async for item in items:
                joined.take(item)
                if joined.restarted:
                    break  # another answer begins: it has no seam
    except AIOrchestrationError as error:
        joined.failed = error.kind
    return joined


def random_join(others: list[str], size: int, rng: random.Random) -> str:
    """So many characters out of the middle of some other answer, from the start of a word."""
    other = rng.choice(others)
    at = other.find(" ", len(other) // 2)
    return other[max(at, 0) :][:size]
