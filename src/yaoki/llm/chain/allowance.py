"""A share of the calls that something may be done for."""

MOST = 10.0
"""What a calm time saves up for."""


class Allowance:
    """Each call puts `share` in, and whatever is done takes 1.0 out: never more than that share in the long run.

    Args:
        share: 0.0–1.0 of the calls.

    Example:
        >>> allowance = Allowance(0.5)
        >>> [allowance.earn() or allowance.take() for _ in range(5)]
        [False, True, False, True, False]
    """

    __slots__ = ("_left", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self._left = 0.0

    def earn(self) -> None:
        """One call more."""
        self._left = min(MOST, self._left + self.share)

    def take(self) -> bool:
        """Whether it may be done now."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
