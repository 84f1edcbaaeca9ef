"""The guard: what would not end is ended, and what only looks like it is not."""

import pytest

from yaoki.errors import ModelMalformedError
from yaoki.llm.chain.output_guard import MAX_BLANKS, MOST_CHARS_PER_TOKEN, OutputGuard
from yaoki.llm.deltas import Delta, Reasoning, Text, ToolCallPiece
from yaoki.llm.seams.refrain import LOOP_CHARS

pytestmark = pytest.mark.requirement("M17")


def guarded(*deltas: Delta, shown: bool = True, tokens: int = 100_000) -> OutputGuard:
    guard = OutputGuard(tokens, shown=shown)
    for delta in deltas:
        guard.take(delta)
    return guard


def words(text: str) -> list[Text]:
    return [Text(f"{word} ") for word in text.split()]


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("kind", [Text, Reasoning])
def test_the_same_words_over_and_over_are_a_fault(kind: type[Text | Reasoning], shown: bool) -> None:
    for text in ("over and " * 500, "x" * 4 * LOOP_CHARS, '{"a": ' * LOOP_CHARS):
        with pytest.raises(ModelMalformedError) as fault:
            guarded(*(kind(text[at : at + 9]) for at in range(0, len(text), 9)), shown=shown)
        assert fault.value.facts["fault"] == "loop"


@pytest.mark.parametrize(
    "text",
    [
        "over and " * 200,
        " ".join(map(str, range(3_000))),
        "\n".join(f"| {row} | 0 | 0 | 0 |" for row in range(400)),
        "0" * 1_000,
        "\n".join(f"    self.field_{number} = None" for number in range(300)),
    ],
)
def test_lists_tables_and_moderate_repetition_are_no_loop(text: str) -> None:
    pieces = [Text(text[at : at + 7]) for at in range(0, len(text), 7)]
    assert guarded(*pieces).excess is None


def test_blanks_over_and_over_are_a_fault() -> None:
    with pytest.raises(ModelMalformedError) as fault:
        guarded(Text("Well."), *[Text("\n ")] * MAX_BLANKS)
    assert fault.value.facts["fault"] == "blanks"


def test_blanks_between_words_are_none() -> None:
    assert guarded(*[Text("word"), Text(" " * 100)] * 20, tokens=10_000).excess is None


def test_text_without_end_is_ended_where_it_is() -> None:
    assert guarded(*words(" ".join(map(str, range(400)))), tokens=100).excess == "endless"


@pytest.mark.parametrize("delta", [Reasoning("12345678"), ToolCallPiece(8)])
def test_what_nobody_sees_is_a_fault_without_end(delta: Delta) -> None:
    assert guarded(*[delta] * 10, tokens=10).excess is None
    with pytest.raises(ModelMalformedError):
        guarded(*[delta] * 11, tokens=10)


def test_characters_of_all_kinds_count() -> None:
    guard = guarded(Text("a" * MOST_CHARS_PER_TOKEN), Reasoning("b"), ToolCallPiece(1))
    assert guard.chars == MOST_CHARS_PER_TOKEN + 2
