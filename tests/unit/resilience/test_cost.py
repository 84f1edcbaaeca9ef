"""What a guarded call does when nothing goes wrong and nobody listens. (Its speed is gated in `make bench`.)"""

import sys
from types import FrameType

import pytest

from yaoki.resilience import Bulkhead, CallEnded, CircuitBreaker, Guard, Notices, Retry, RetryBudget, Timeout
from yaoki.testing import Heard


async def bare() -> str:
    return "ok"


def everything(notices: Notices) -> Guard:
    return Guard(
        "op",
        bulkhead=Bulkhead("dep", notices=notices),
        breaker=CircuitBreaker("dep", notices=notices),
        retry=Retry(budget=RetryBudget()),
        timeout=Timeout(60.0),
        notices=notices,
    )


async def functions_called_by(guard: Guard) -> list[str]:
    """The Python functions that one call runs, in order."""
    guarded = guard.wrap(bare)
    await guarded()
    called: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        await guarded()
    finally:
        sys.setprofile(None)
    return [name for name in called if not name.endswith("functions_called_by")]


@pytest.mark.requirement("P-9")
async def test_all_policies_are_one_frame_and_a_handful_of_short_functions() -> None:
    called = await functions_called_by(everything(Notices()))
    assert called.count("Guard.wrap.<locals>.guarded") == 1
    assert len(called) <= 12, called


@pytest.mark.requirement("P-9")
async def test_nothing_is_built_for_what_nobody_subscribed_to() -> None:
    notices = Notices()
    guard = everything(notices)
    unheard = await functions_called_by(guard)
    assert [name for name in unheard if name.startswith(("Record", "Notices.publish"))] == []
    heard = Heard(notices, CallEnded)
    assert "Notices.publish" in await functions_called_by(guard)
    assert len(heard.notices) == 2
