import io
import json
import logging
import os
import threading
from collections.abc import Iterator

import pytest
import structlog

from yaoki.cli.log_writer import MAX_WAITING
from yaoki.cli.logging_setup import secret_values, set_up_logging

CANARY = 'sk-"canary"-4711'


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before, level
    structlog.reset_defaults()


def fail() -> None:
    raise ValueError(f"refused: {CANARY}")


def speak() -> None:
    """One record of every kind: another library's, our own, and a traceback."""
    logging.getLogger("other.library").warning("key %s", CANARY)
    structlog.get_logger("yaoki.test").info("started", key=CANARY, nested={"key": [CANARY]})
    try:
        fail()
    except ValueError:
        logging.getLogger("yaoki.test").exception("failed")


@pytest.mark.requirement("X10")
@pytest.mark.parametrize("json_lines", [True, False])
def test_a_canary_never_appears(stream: io.StringIO, json_lines: bool) -> None:
    set_up_logging(json_lines=json_lines, secrets=[CANARY], stream=stream)
    speak()
    assert "***" in stream.getvalue()
    assert "canary" not in stream.getvalue()


def test_json_lines_are_json_with_level_logger_time_and_traceback(stream: io.StringIO) -> None:
    set_up_logging(json_lines=True, stream=stream)
    speak()
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(row["level"], row["logger"]) for row in rows] == [
        ("warning", "other.library"),
        ("info", "yaoki.test"),
        ("error", "yaoki.test"),
    ]
    assert all(row["timestamp"].endswith("Z") for row in rows)
    assert "ValueError" in rows[2]["exception"]


def test_records_below_the_level_are_dropped(stream: io.StringIO) -> None:
    set_up_logging(level=logging.ERROR, stream=stream)
    structlog.get_logger("yaoki.test").info("quiet")
    assert stream.getvalue() == ""


def test_the_steps_of_libraries_are_told_only_when_asked_for(stream: io.StringIO) -> None:
    set_up_logging(stream=stream)
    logging.getLogger("uvicorn.error").info("a step")
    assert stream.getvalue() == ""
    set_up_logging(level=logging.DEBUG, stream=stream)
    logging.getLogger("uvicorn.error").info("a step")
    assert "a step" in stream.getvalue()


@pytest.mark.requirement("P8")
def test_a_log_that_nobody_reads_holds_nobody_up(stream: io.StringIO) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as unread, os.fdopen(reading) as reader:
        set_up_logging(stream=unread, patient=False)
        writer = logging.getLogger().handlers[0]
        for n in range(3 * MAX_WAITING):
            logging.getLogger("yaoki.test").info("line %d %s", n, "x" * 100)
        closing = threading.Thread(target=lambda: (writer.close(), unread.close()))
        closing.start()
        lines = reader.read().splitlines()
        closing.join()
    assert "line 0 " in lines[0]
    assert any("lines are missing here" in line for line in lines)
    assert MAX_WAITING <= len(lines) < 3 * MAX_WAITING


def test_the_last_lines_of_a_server_are_written_before_it_ends(stream: io.StringIO) -> None:
    set_up_logging(stream=stream, patient=False)
    logging.getLogger("yaoki.test").info("the last word")
    logging.getLogger().handlers[0].close()
    assert "the last word" in stream.getvalue()


def test_a_log_whose_reader_has_gone_stops_nothing(stream: io.StringIO) -> None:
    set_up_logging(stream=stream, patient=False)
    stream.close()
    logging.getLogger("yaoki.test").info("nobody hears it")
    logging.getLogger().handlers[0].close()


def test_secrets_are_the_values_of_the_named_variables_that_are_set() -> None:
    assert secret_values(["A_KEY", "B_KEY", "C_KEY"], {"A_KEY": "1234", "B_KEY": "", "D_KEY": "x"}) == ["1234"]
