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


class BulkheadRejected(Record):
    """A caller was refused before its call started.

    Attributes:
        reason: queue_full, queue_timeout, or no_free_slot for a plain function, which cannot wait.
    """

    name: str
    reason: str


class CallEnded(Record):
    """A guarded call is over, with everything the guard did for it.

    Attributes:
        outcome: succeeded, failed, timed_out, rejected (never started), or ignored (the caller's fault, or cancelled).
        kind: The kind of the error, if it is known.
        attempts: Tries in all, the first included; 0 if none was started.
    """

    operation: str
    outcome: str
    kind: str | None = None
    attempts: int = 1


class RetryScheduled(Record):
    """A failed attempt will be followed by another one.

    Attributes:
        attempt: The attempt that failed; starts at 1.
        delay_s: Seconds until the next.
    """

    operation: str
    attempt: int
    delay_s: float
    kind: str | None = None


class FellBack(Record):
    """Another answer was given in place of the one that failed.

    Attributes:
        position: Which of the fallbacks gave it; starts at 1.
    """

    operation: str
    position: int
    kind: str | None = None
