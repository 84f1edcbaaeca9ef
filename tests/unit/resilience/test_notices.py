"""Notices reach those who subscribed, and nobody else."""

import logging

import pytest

from yaoki.errors import Record
from yaoki.resilience import Notices
from yaoki.testing import Heard


class Happened(Record):
    what: str


class Other(Record):
    what: str


def test_a_listener_hears_its_own_type_until_it_unsubscribes() -> None:
    notices = Notices()
    heard: list[Happened] = []
    unsubscribe = notices.subscribe(Happened, heard.append)
    assert notices.wants(Happened)
    assert not notices.wants(Other)
    notices.publish(Happened(what="a"))
    notices.publish(Other(what="b"))
    unsubscribe()
    unsubscribe()
    notices.publish(Happened(what="c"))
    assert heard == [Happened(what="a")]
    assert not notices.wants(Happened)


def test_one_that_fails_disturbs_neither_the_publisher_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()

    def broken(_: Happened) -> None:
        raise RuntimeError("broken listener")

    notices.subscribe(Happened, broken)
    heard = Heard(notices, Happened)
    with caplog.at_level(logging.ERROR):
        notices.publish(Happened(what="a"))
    assert heard.notices == [Happened(what="a")]
    assert "A listener of Happened failed." in caplog.text
