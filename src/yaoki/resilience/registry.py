"""Live policies by name: whoever names the same breaker means the same breaker.

A decorated function resolves its names once, when it is decorated, long before settings are read. So the registry
hands out live objects at once, made from the defaults, and `configure` later changes the policies that they follow; the
objects stay the same.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from yaoki.resilience.breaker import BreakerPolicy, CircuitBreaker
from yaoki.resilience.bulkhead import Bulkhead, BulkheadPolicy
from yaoki.resilience.clock import SYSTEM_CLOCK, Scheduler
from yaoki.resilience.deadlines import Timeout
from yaoki.resilience.guard import Guard
from yaoki.resilience.notices import Notices
from yaoki.resilience.retry import Retry, RetryBudget, RetryPolicy

if TYPE_CHECKING:
    from random import Random

Live = TypeVar("Live")
Policy = TypeVar("Policy")


class Registry(Generic[Live, Policy]):
    """Live objects of one sort by name; a name that nobody asked for before is made from its policy.

    Args:
        make: Makes a live object from its name and policy.
        adopt: Lets a live object follow another policy.
        default: The policy of names that have none of their own.
    """

    def __init__(
        self, make: Callable[[str, Policy], Live], adopt: Callable[[Live, Policy], object], default: Policy
    ) -> None:
        self._make = make
        self._adopt = adopt
        self._default = default
        self._policies: dict[str, Policy] = {}
        self._live: dict[str, Live] = {}

    def __repr__(self) -> str:
        return f"<Registry {sorted(self._live)}>"

    def get(self, name: str) -> Live:
        """The one with this name."""
        if name not in self._live:
            self._live[name] = self._make(name, self._policies.get(name, self._default))
        return self._live[name]

    def all(self) -> dict[str, Live]:
        """Everything that was asked for so far, by name."""
        return dict(self._live)

    def configure(self, *, default: Policy | None = None, by_name: Mapping[str, Policy] | None = None) -> None:
        """Set policies; live objects whose policy changes follow it at once.

        Args:
            default: For every name without a policy of its own; None leaves it.
            by_name: For these names; added to what was set before.
        """
        before = {name: self._policies.get(name, self._default) for name in self._live}
        if default is not None:
            self._default = default
        self._policies.update(by_name or {})
        for name, live in self._live.items():
            policy = self._policies.get(name, self._default)
            if policy != before[name]:
                self._adopt(live, policy)


class Guards:
    """Every guard of a process and the policies they share. `GUARDS` is the one that decorators use by default.

    Args:
        clock: Where all of them get their time.
        rng: Randomness of every retry; each has its own without it.

    Attributes:
        notices: Where all of them tell what happened: subscribe here.
        operations: Every guard by its operation's name; the latest, if a name was used twice.

    Example:
        >>> guards = Guards()
        >>> guards.guard("ask", circuit_breaker="model", bulkhead="model", retry="model", timeout_s=2.0)
        <Guard ask <Retry 3 attempts, exponential, budget <RetryBudget 10.0 of 10>> <Bulkhead model 0/10 in use, \
0/100 queued, 0 rejected> <CircuitBreaker model closed, 0 of 5 failures> <Timeout 2 s, 0 open>>
        >>> guards.breakers.configure(by_name={"model": BreakerPolicy(threshold=2)})
        >>> guards.breakers.get("model")
        <CircuitBreaker model closed, 0 of 2 failures>
    """

    def __init__(self, *, clock: Scheduler = SYSTEM_CLOCK, rng: "Random | None" = None) -> None:
        self.clock = clock
        self.notices = notices = Notices()
        self.operations: dict[str, Guard] = {}
        self.breakers: Registry[CircuitBreaker, BreakerPolicy] = Registry(
            lambda name, policy: CircuitBreaker(name, policy, clock=clock, notices=notices),
            CircuitBreaker.adopt,
            BreakerPolicy(),
        )
        self.bulkheads: Registry[Bulkhead, BulkheadPolicy] = Registry(
            lambda name, policy: Bulkhead(name, policy, clock=clock, notices=notices), Bulkhead.adopt, BulkheadPolicy()
        )
        self.retries: Registry[Retry, RetryPolicy] = Registry(
            lambda _, policy: Retry(policy, budget=RetryBudget(), rng=rng), Retry.adopt, RetryPolicy()
        )
        self._timeouts: dict[float, Timeout] = {}

    def timeout(self, timeout_s: float) -> Timeout:
        """The timeout of this duration, shared by everybody who waits so long."""
        if timeout_s not in self._timeouts:
            self._timeouts[timeout_s] = Timeout(timeout_s, clock=self.clock)
        return self._timeouts[timeout_s]

    def guard(
        self,
        operation: str,
        *,
        circuit_breaker: str | CircuitBreaker | None = None,
        bulkhead: str | Bulkhead | None = None,
        retry: str | RetryPolicy | Retry | None = None,
        timeout_s: float | None = None,
    ) -> Guard:
        """A guard from names (of this registry), policies or live objects."""
        if isinstance(retry, RetryPolicy):
            self.retries.configure(by_name={operation: retry})
            retry = operation
        guard = Guard(
            operation,
            breaker=self.breakers.get(circuit_breaker) if isinstance(circuit_breaker, str) else circuit_breaker,
            bulkhead=self.bulkheads.get(bulkhead) if isinstance(bulkhead, str) else bulkhead,
            retry=self.retries.get(retry) if isinstance(retry, str) else retry,
            timeout=None if timeout_s is None else self.timeout(timeout_s),
            clock=self.clock,
            notices=self.notices,
        )
        self.operations[operation] = guard
        return guard


GUARDS = Guards()
"""This process's guards."""
