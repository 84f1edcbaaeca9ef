"""Windows count what they should, however calls come."""

from hypothesis import given
from hypothesis import strategies as st

from yaoki.resilience.windows import CountWindow, TimeWindow

CALLS = st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([0.0, 0.3, 1.0, 4.0, 11.0])), max_size=60)


@given(CALLS, st.integers(1, 8))
def test_a_window_of_calls_holds_the_last_ones(calls: list[tuple[bool, bool, float]], size: int) -> None:
    window = CountWindow(size)
    for failed, slow, _ in calls:
        window.record(failed=failed, slow=slow, now=0)
    last = calls[-size:]
    assert window.calls == len(last)
    assert window.failed == sum(failed for failed, _, _ in last)
    assert window.slow == sum(slow for _, slow, _ in last)
    window.clear()
    assert (window.calls, window.failed, window.slow) == (0, 0, 0)


@given(CALLS)
def test_a_window_of_time_is_right_to_a_tenth(calls: list[tuple[bool, bool, float]]) -> None:
    window = TimeWindow(10.0)
    now = 0.0
    seen: list[tuple[bool, bool, float]] = []
    for failed, slow, pause in calls:
        now += pause
        window.record(failed=failed, slow=slow, now=now)
        seen.append((failed, slow, now))
        inside = [(f, s) for f, s, at in seen if at > now - 9.0]
        maybe = [(f, s) for f, s, at in seen if at > now - 10.0]
        assert len(inside) <= window.calls <= len(maybe)
        assert sum(f for f, _ in inside) <= window.failed <= sum(f for f, _ in maybe)
        assert sum(s for _, s in inside) <= window.slow <= sum(s for _, s in maybe)
