"""The demo's reader: what it writes down is what was shown, over any number of connections."""

from typing import Any

from yaoki.cli.client import Frame, LinkBack, LinkLost
from yaoki.cli.demo.reader import Reader
from yaoki.cli.demo.screen import NoStage
from yaoki.testing import FakeClock


def frame(type_: str, id_: str = "", **event: Any) -> Frame:
    return Frame(id_, {"type": type_, **event})


def custom(name: str, **value: Any) -> Frame:
    return frame("CUSTOM", "l:1.1", name=f"yaoki.{name}", value=value)


def text(delta: str, message: str = "a") -> Frame:
    return frame("TEXT_MESSAGE_CONTENT", "l:1.1", messageId=message, delta=delta)


def snapshot(content: str) -> Frame:
    return frame("MESSAGES_SNAPSHOT", messages=[{"id": "a", "role": "assistant", "content": content}])


START = frame("TEXT_MESSAGE_START", "l:1.1", messageId="a", role="assistant")
COMPLETED = frame("RUN_FINISHED", "l:9.1", runId="t", result={"outcome": "completed"})


def reader_of(*items: Frame | LinkLost | LinkBack) -> Reader:
    reader = Reader(NoStage(), "t", FakeClock())
    for item in items:
        reader.take(item)
    return reader


def test_an_answer_is_its_pieces_and_its_end() -> None:
    told = reader_of(START, text("One "), text("two."), COMPLETED).transcript(record="One two.")
    assert [piece.text for piece in told.pieces] == ["One ", "two."]
    assert (told.ends, told.finished, told.claims_success) == (["completed"], True, True)
    assert told.told["type"] == "RUN_FINISHED"


def test_a_reconnect_repeats_nothing_and_misses_nothing() -> None:
    prelude = (frame("RUN_STARTED", runId="t"), snapshot("One two "), START)
    told = reader_of(START, text("One "), LinkLost("gone"), LinkBack(), *prelude, text("three."), COMPLETED)
    assert told.text == "One two three."
    assert told.transcript().voided_chars == 0


def test_text_that_the_server_tells_otherwise_after_a_reconnect_is_void() -> None:
    told = reader_of(START, text("One "), snapshot("Another "), START, text("answer."), COMPLETED)
    assert told.text == "Another answer."
    assert told.transcript().voided_chars == len("One ")


def test_a_reset_voids_what_was_shown() -> None:
    told = reader_of(START, text("One "), custom("reset", reason="seam"), snapshot(""), START, text("All."), COMPLETED)
    assert told.text == "All."
    assert told.transcript().voided_chars == len("One ")


def test_every_end_that_comes_is_counted() -> None:
    assert reader_of(START, COMPLETED, COMPLETED).transcript().ends == ["completed", "completed"]
    assert reader_of(START).transcript().ends == []


def test_what_is_not_completed_is_no_success() -> None:
    limited = frame("RUN_FINISHED", "l:9.1", result={"outcome": "output_limit"})
    failed = frame("RUN_ERROR", "l:9.1", code="model.all_failed", message="None could.")
    for end, said in ((limited, "output_limit"), (failed, "failed (model.all_failed)")):
        told = reader_of(START, text("One"), end).transcript()
        assert (told.ends, told.finished, told.claims_success) == ([said], False, False)


def test_a_turn_that_was_taken_up_again_is_known() -> None:
    assert reader_of(START, custom("resumed", reason="x")).resumed == 1


async def test_whoever_waits_for_a_word_is_told() -> None:
    reader = reader_of(START, text("One "))
    await reader.until(lambda it: it.text == "One ")
    assert not reader.ended
