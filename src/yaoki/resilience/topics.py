"""What the guard tells whoever subscribed: facts that have happened."""

from yaoki.errors.records import Record


class BreakerOpened(Record):
    """A breaker refuses calls from now on.

    Attributes:
        reason: consecutive_failures, failure_ratio, slow_ratio or probe_failed.
        break_s: Seconds until it lets probes through.
    """

    name: str
    reason: str
    break_s: float


class BreakerHalfOpened(Record):
    """The break is over; a counted number of probes may find out whether the dependency is back."""

    name: str


class BreakerClosed(Record):
    """Every probe succeeded, or somebody reset it by hand."""

    name: str


class BreakerIsolated(Record):
    """Held open by hand until `reset`."""

    name: str
