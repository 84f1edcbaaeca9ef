"""Earlier answers: bounded, and keyed no sooner than somebody looks for one."""

import pytest

from yaoki.llm.answer_cache import AnswerCache, CachePolicy
from yaoki.testing import FakeClock

pytestmark = pytest.mark.requirement("M25")


def test_a_key_is_made_when_somebody_looks() -> None:
    cache, made = AnswerCache(), list[str]()

    def key() -> bytes:
        made.append("key")
        return b"k"

    cache.put_unkeyed(key, "Seven.", "a")
    assert (made, len(cache)) == ([], 1)
    for _ in range(2):
        found = cache.get(b"k")
        assert found is not None
        assert (found.text, found.model) == ("Seven.", "a")
    assert made == ["key"]


def test_the_newest_answer_counts_however_it_was_kept() -> None:
    cache = AnswerCache()
    cache.put(b"k", "Six.", "a")
    cache.put_unkeyed(lambda: b"k", "Seven.", "b")
    found = cache.get(b"k")
    assert found is not None
    assert found.text == "Seven."


def test_what_has_no_key_is_not_kept() -> None:
    cache = AnswerCache()
    cache.put_unkeyed(lambda: None, "Seven.", "a")
    assert cache.get(b"k") is None
    assert len(cache) == 0


def test_no_more_is_kept_than_the_policy_says() -> None:
    cache = AnswerCache(CachePolicy(max_entries=2))
    for key in (b"1", b"2", b"3"):
        cache.put_unkeyed(lambda key=key: key, "Seven.", "a")
    assert [cache.get(key) is not None for key in (b"1", b"2", b"3")] == [False, True, True]
    assert len(cache) == 2
    none = AnswerCache(CachePolicy(max_entries=0))
    none.put_unkeyed(lambda: b"k", "Seven.", "a")
    assert none.get(b"k") is None


def test_an_answer_ages_from_when_it_was_given() -> None:
    clock = FakeClock()
    cache = AnswerCache(CachePolicy(ttl_s=10.0), clock=clock)
    cache.put_unkeyed(lambda: b"k", "Seven.", "a")
    clock.move(9.0)
    found = cache.get(b"k")
    assert found is not None
    assert found.age_s == 9.0
    clock.move(2.0)
    assert cache.get(b"k") is None


@pytest.mark.parametrize("text", ["", " \n", "x" * 100_001])
def test_what_is_no_answer_or_too_long_is_not_kept(text: str) -> None:
    cache = AnswerCache()
    cache.put_unkeyed(lambda: b"k", text, "a")
    assert cache.get(b"k") is None
