from typing import Any

import pytest

from yaoki.cli.answer import Answer
from yaoki.cli.client import Frame, LinkBack, LinkLost


class Terminal:
    """What a person would see: text as it is, notes in brackets."""

    def __init__(self) -> None:
        self.seen = ""

    def write(self, text: str) -> None:
        self.seen += text

    def note(self, line: str) -> None:
        self.seen += f"[{line}]"


def told(*events: dict[str, Any] | LinkLost | LinkBack, turn: str = "t") -> tuple[Answer, str]:
    terminal = Terminal()
    answer = Answer(turn, terminal.write, terminal.note)
    for event in events:
        answer.take(Frame("L:1.1", event) if isinstance(event, dict) else event)
    return answer, terminal.seen


STARTED = {"type": "RUN_STARTED", "runId": "t"}
OPEN = {"type": "TEXT_MESSAGE_START", "messageId": "m"}


def text(delta: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": delta}


def finished(outcome: str = "completed", message: str | None = None) -> dict[str, Any]:
    return {"type": "RUN_FINISHED", "runId": "t", "result": {"outcome": outcome, "message": message}}


def custom(name: str, **value: object) -> dict[str, Any]:
    return {"type": "CUSTOM", "name": f"yaoki.{name}", "value": value}


def snapshot(content: str) -> dict[str, Any]:
    return {"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "m", "role": "assistant", "content": content}]}


def test_a_whole_answer_is_its_text_and_a_line_end() -> None:
    answer, seen = told(STARTED, OPEN, text("Paris"), text("."), finished())
    assert (answer.outcome, seen) == ("completed", "Paris.\n")


def test_another_turns_words_are_not_ours() -> None:
    other = {"type": "RUN_STARTED", "runId": "other"}
    answer, seen = told(other, OPEN, text("no"), finished(), STARTED, OPEN, text("yes"), finished())
    assert (answer.outcome, seen) == ("completed", "yes\n")


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("missed", ["", " is"])
def test_after_an_interruption_no_word_is_repeated_or_lost(missed: str) -> None:
    _, seen = told(
        STARTED, OPEN, text("Paris"), LinkLost("x"), LinkBack(), STARTED, snapshot(f"Paris{missed}"), OPEN, text(" big")
    )
    assert seen == f"Paris\n[interrupted: x; reconnecting]\n[connected again]{missed} big"


def test_a_reset_is_said_and_the_new_text_follows() -> None:
    reset = custom("reset", messageId="m", reason="seam")
    answer, seen = told(STARTED, OPEN, text("Par"), reset, snapshot(""), OPEN, text("Paris"), finished())
    assert seen == "Par\n[what was written so far is void; the answer begins again]Paris\n"
    assert answer.outcome == "completed"


def test_a_heal_before_the_first_word_is_told_at_once_and_a_later_one_after_the_last() -> None:
    early = custom("failover", **{"from": "a", "to": "b", "kind": "model.timeout", "phase": "before_first_token"})
    late = custom("failover", **{"from": "b", "to": "c", "kind": "model.truncated", "phase": "mid_stream", "atChar": 3})
    _, seen = told(STARTED, early, OPEN, text("Par"), late, text("is"), finished())
    assert seen == (
        "[a failed (model.timeout); b takes over]Paris\n[b failed after 3 characters (model.truncated); c takes over]"
    )


@pytest.mark.requirement("P-2")
@pytest.mark.parametrize("outcome", ["output_limit", "filtered", "degraded", "cancelled"])
def test_an_answer_that_is_not_whole_is_said_not_to_be(outcome: str) -> None:
    answer, seen = told(STARTED, OPEN, text("Par"), finished(outcome, "It is not whole."))
    assert (answer.outcome, seen) == (outcome, "Par\n[It is not whole.]")


def test_a_failed_run_says_why() -> None:
    error = {"type": "RUN_ERROR", "runId": "t", "message": "It failed.", "code": "model.all_failed"}
    answer, seen = told(STARTED, error)
    assert (answer.outcome, seen) == ("failed", "[It failed.]")


def test_words_cannot_steer_the_terminal() -> None:
    _, seen = told(STARTED, OPEN, text("a\x1b[2Jb\x07\u009bc\r\n\tfamily: 👨\u200d👩\u200d👧"))
    assert seen == "a[2Jbc\n\tfamily: 👨\u200d👩\u200d👧"


def test_a_changed_log_asks_for_a_second_look() -> None:
    answer, _ = told(STARTED, custom("reset", reason="log_changed"))
    assert answer.log_changed
