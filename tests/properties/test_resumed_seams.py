"""An answer that is taken up after a crash is joined as an unbroken one is: what the log holds suffices."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.llm.fakes import FakeUpstream, Line, Told, candidate
from yaoki.errors import ModelAllFailedError, ModelAuthenticationError
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Delta, Finish, HalfAnswer, Held, Restart, Text

WORDS = st.sampled_from(
    ["ships", "Sail", "a", "sea.", "- one", "`x = 1`", "|", "日本", "語です。", "👩‍🚀", "i" * 30, "1850,"]
)
GAPS = st.sampled_from([" ", " ", " ", "\n", "\n\n", "\n    ", "  ", "\t", "", "\n" * 50])


def repeats_itself(parts: list[tuple[str, str]]) -> bool:
    """Whether a word follows itself: the log does not hold the witness that tells this from a repetition."""
    return any(one[0] == other[0] for one, other in pairwise(parts))


TEXTS = (
    st.lists(st.tuples(WORDS, GAPS), min_size=2, max_size=9)
    .filter(lambda parts: not repeats_itself(parts))
    .map(lambda parts: "".join(word + gap for word, gap in parts).rstrip())
)


class StrippingUpstream(FakeUpstream):
    """Goes on with `answer` by prefill, and never begins with white space."""

    def __init__(self, answer: str) -> None:
        super().__init__([])
        self._answer = answer

    async def stream(self, request: Any, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        self.asked.append(half)
        rest = self._answer[len(half.text.rstrip()) if half else 0 :].lstrip()
        if rest:
            yield Text(rest)
        yield Finish("stop")


def arriving(pieces: list[str]) -> list[Line]:
    """The pieces one by one, as from a network, and then the end of the line."""
    apart = lambda: asyncio.sleep(0.0)  # noqa: E731 - a line of the script
    lines: list[Line] = [line for piece in pieces for line in (Text(piece), apart, apart, apart)]
    return [*lines, ModelAuthenticationError("cut here")]


async def unbroken(pieces: list[str], answer: str) -> str:
    """The second model takes over at once."""
    first = candidate("a", FakeUpstream(arriving(pieces)), continuation="off")
    second = candidate("b", StrippingUpstream(answer))
    return (await Told().hear(Chain([first, second]))).text


async def resumed(pieces: list[str], answer: str) -> str:
    """The process is gone, and another one has only what was handed out for the log."""
    before = Told()
    with pytest.raises(ModelAllFailedError):
        await before.hear(Chain([candidate("a", FakeUpstream(arriving(pieces)), continuation="off")]))
    logged = [
        (item.held if isinstance(item, Text) else item.text) for item in before.items if isinstance(item, Text | Held)
    ]
    held = logged[-1] if logged else ""
    chain = Chain([candidate("b", StrippingUpstream(answer))])
    after = await Told().hear(chain, resume_text=before.text, resume_held=held)
    return after.text if after.of(Restart) else before.text + after.text


@pytest.mark.requirement("P2", "P-3")
@settings(max_examples=60, deadline=None)
@given(answer=TEXTS, data=st.data())
def test_no_blank_is_lost_where_a_crash_cut(answer: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(answer)), label="cut")
    size = data.draw(st.integers(1, 6), label="characters a piece")
    pieces = [answer[n : min(n + size, at)] for n in range(0, at, size)]
    assert asyncio.run(resumed(pieces, answer)) == asyncio.run(unbroken(pieces, answer))


@pytest.mark.requirement("P2", "P-3")
async def test_layout_survives_a_crash_at_every_position() -> None:
    answer = "Ships:\n\n- one\n- two\n\n```python\ndef sail(x):\n    if x:\n        return 1\n```\n\nThe end of it all."
    known = [at for at in range(1, len(answer)) if not (answer[at - 1].isspace() and answer[at].isspace())]
    for at in known:  # a gap of which only a part had come is known to nobody
        assert await resumed([*answer[:at]], answer) == answer, answer[:at]
