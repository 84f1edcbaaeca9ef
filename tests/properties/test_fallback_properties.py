"""Which answer a fallback gives, for any mixture of outcomes."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from yaoki.errors import ModelFilteredError, ResourceBreakerOpenError
from yaoki.resilience import Fallback, FellBack, Notices
from yaoki.testing import FakeDependency, Heard

ANSWERED_ELSEWHERE = (OSError("x"), TimeoutError(), ValueError("x"), ResourceBreakerOpenError("open"))
FINAL = (ModelFilteredError("no"), TypeError("bug"), asyncio.CancelledError())
OUTCOMES = st.sampled_from(["value", *ANSWERED_ELSEWHERE, *FINAL])


@given(OUTCOMES, st.lists(OUTCOMES, min_size=1, max_size=5))
@settings(deadline=None)
def test_the_first_answer_that_is_none_of_the_others_fault(first: object, others: list[object]) -> None:
    async def run() -> tuple[object, list[int], list[FellBack]]:
        dependencies = [FakeDependency([outcome]) for outcome in (first, *others)]
        notices = Notices()
        heard = Heard(notices, FellBack)
        try:
            result: object = await Fallback("op", *dependencies[1:], notices=notices).wrap(dependencies[0])()
        except BaseException as error:  # noqa: BLE001 - cancellations are outcomes too
            result = error
        return result, [dependency.calls for dependency in dependencies], heard.of(FellBack)

    outcomes = [first, *others]
    last = next((at for at, outcome in enumerate(outcomes) if outcome not in ANSWERED_ELSEWHERE), len(outcomes) - 1)
    result, calls, told = asyncio.run(run())
    assert result is outcomes[last]
    assert calls == [1] * (last + 1) + [0] * (len(outcomes) - last - 1)
    assert [notice.position for notice in told] == ([last] if last and result == "value" else [])
