"""Other answers."""

import asyncio

import pytest

from yaoki.errors import ConfigurationSettingError, ModelFilteredError, ResourceBreakerOpenError
from yaoki.resilience import Fallback, FellBack, Notices
from yaoki.testing import FakeDependency, Heard


async def test_a_healthy_first_is_the_only_one_asked() -> None:
    other = FakeDependency()
    assert await Fallback("op", other).wrap(FakeDependency(["first"]))() == "first"
    assert other.calls == 0


async def test_the_next_answers_with_the_same_arguments() -> None:
    notices = Notices()
    heard = Heard(notices, FellBack)

    async def first(a: int, *, b: int) -> int:
        raise ConnectionRefusedError

    async def second(a: int, *, b: int) -> int:
        raise TimeoutError

    fallback = Fallback("op", second, lambda a, b: a + b, notices=notices)
    assert await fallback.wrap(first)(1, b=2) == 3
    assert heard.notices == [FellBack(operation="op", position=2, kind="communication.timeout")]


async def test_a_call_that_was_refused_before_it_started_may_be_answered_elsewhere() -> None:
    refused = FakeDependency([ResourceBreakerOpenError("open")])
    assert await Fallback("op", FakeDependency(["other"])).wrap(refused)() == "other"


@pytest.mark.parametrize("error", [ModelFilteredError("no"), TypeError("bug"), asyncio.CancelledError()])
async def test_nobody_else_is_asked_the_same_wrong_question(error: BaseException) -> None:
    other = FakeDependency()
    with pytest.raises(type(error)):
        await Fallback("op", other).wrap(FakeDependency([error]))()
    assert other.calls == 0


async def test_the_last_error_is_raised_when_every_answer_failed() -> None:
    fallback = Fallback("op", FakeDependency([OSError("second")]), FakeDependency([ValueError("third")]))
    with pytest.raises(ValueError, match="third"):
        await fallback.wrap(FakeDependency([OSError("first")]))()


async def test_a_callers_error_of_one_answer_ends_the_search() -> None:
    last = FakeDependency()
    with pytest.raises(TypeError):
        await Fallback("op", FakeDependency([TypeError("bug")]), last).wrap(FakeDependency([OSError("first")]))()
    assert last.calls == 0


def test_a_fallback_needs_somewhere_to_fall_back_to() -> None:
    with pytest.raises(ConfigurationSettingError):
        Fallback("op")
    assert repr(Fallback("op", len)) == "<Fallback op 1 answers>"
