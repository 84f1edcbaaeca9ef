"""Somebody who listens."""

from typing import Any, TypeVar

from yaoki.resilience.notices import Notices

N = TypeVar("N")


class Heard:
    """Writes down every notice of the given types.

    Example:
        >>> from yaoki.resilience import BreakerOpened, Notices
        >>> notices = Notices()
        >>> heard = Heard(notices, BreakerOpened)
        >>> notices.publish(BreakerOpened(name="weather", reason="probe_failed", break_s=60.0))
        >>> heard.of(BreakerOpened)[0].name
        'weather'
    """

    def __init__(self, notices: Notices, *kinds: type[Any]) -> None:
        self.notices: list[Any] = []
        for kind in kinds:
            notices.subscribe(kind, self.notices.append)

    def of(self, kind: type[N]) -> list[N]:
        """Those of one type, in order."""
        return [notice for notice in self.notices if type(notice) is kind]
