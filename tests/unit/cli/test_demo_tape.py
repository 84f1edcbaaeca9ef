"""The demo's tape: an answer as the embedded model streams it, cut between two events, the same for everybody."""

import asyncio
import json

import pytest

from tests.unit.faults.raw_client import exchange, text_and_finish
from yaoki.cli.demo.score import score
from yaoki.cli.demo.screen import NoStage
from yaoki.cli.demo.sdk import ask_bare_sdk
from yaoki.cli.demo.tape import Player, tape_of
from yaoki.faults import FaultProxy, Lane, Link

WORDS = ["The ", "keeper ", "counts ", "ships", ", ", "über ", "and ", "東京 ", "over", "."]
TEXT = "".join(WORDS)


def chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        b"data: %s\n\n"
        % json.dumps(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        ).encode()
    )


BODY = b"".join(
    [
        chunk({"role": "assistant", "content": None}),
        *(chunk({"content": word}) for word in WORDS),
        chunk({}, "stop"),
        b"data: [DONE]\n\n",
    ]
)
TAPE = tape_of(BODY)


def test_a_tape_holds_every_byte_and_reads_its_text_and_end() -> None:
    assert b"".join(event.data for event in TAPE.events) == BODY
    assert (TAPE.text, TAPE.finish) == (TEXT, "stop")


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.99, 1.0])
def test_a_cut_comes_between_two_events_and_before_the_end(share: float) -> None:
    half = TAPE.cut_at(share).half
    assert TEXT.startswith(half)
    assert any(half == "".join(WORDS[:number]) for number in range(len(WORDS) + 1))
    assert len(half) >= len(TEXT) * share


async def test_everybody_is_played_the_same_bytes_and_cut_in_the_same_place() -> None:
    cut = TAPE.cut_at(0.5)
    async with Player(TAPE, token_s=0.0) as player, FaultProxy(player.address) as proxy:
        whole = await exchange(f"http://{proxy.address}/v1")
        assert text_and_finish(whole.body) == (TEXT, "stop")
        await proxy.play(Link(down=Lane(cut_after=cut.after_bytes)))
        taken = await asyncio.gather(*(exchange(f"http://{proxy.address}/v1") for _ in range(3)))
        assert {one.raw for one in taken} == {whole.raw[: cut.after_bytes]}
        assert [text_and_finish(one.body) for one in taken] == [(cut.half, None)] * 3
        assert {one.end for one in taken} == {"closed"}
        assert proxy.fired["cut"] == 3


async def test_the_bare_sdk_returns_the_half_as_if_it_were_all() -> None:
    """What the demo's left side rests on. If this fails, the SDK has become better, and the demo will say so."""
    cut = TAPE.cut_at(0.5)
    question = [{"role": "user", "content": "How many?"}]
    async with Player(TAPE, token_s=0.0) as player, FaultProxy(player.address) as proxy:
        whole = await ask_bare_sdk(NoStage(), f"http://{proxy.address}/v1", "m", question)
        await proxy.play(Link(down=Lane(cut_after=cut.after_bytes)))
        half = await ask_bare_sdk(NoStage(), f"http://{proxy.address}/v1", "m", question)
        await proxy.play(Link(down=Lane(reset_after=cut.after_bytes)))
        broken = await ask_bare_sdk(NoStage(), f"http://{proxy.address}/v1", "m", question)
    assert whole.told == {"returned": TEXT, "finish_reason": "stop"}
    assert score(whole, cut.half, whole=TEXT).survived
    assert half.told == {"returned": cut.half, "finish_reason": None}
    assert score(half, cut.half, whole=TEXT).half_sold_as_whole
    assert "raised" in broken.told
    assert not broken.claims_success
