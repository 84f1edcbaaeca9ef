"""The peers' guards as subjects. Runs in an environment of its own, which `bench.guard` makes."""

import asyncio
import importlib.metadata
import json
import sys

import aiobreaker
import circuitbreaker
import purgatory
import pyresilience
import stamina
import tenacity
from hyx.bulkhead import bulkhead as hyx_bulkhead
from hyx.circuitbreaker import consecutive_breaker
from hyx.retry import retry as hyx_retry
from hyx.timeout import timeout as hyx_timeout

from bench.figures import costs_over
from bench.subjects import OURS, SECONDS, STDLIB, Call, Subject, asyncio_timeout

PACKAGES = ("aiobreaker", "circuitbreaker", "hyx", "purgatory", "pyresilience", "stamina", "tenacity")


def with_tenacity(callee: Call) -> Call:
    return tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_exponential())(callee)


def with_purgatory(callee: Call) -> Call:
    return purgatory.AsyncCircuitBreakerFactory(default_threshold=5)("bench")(callee)


def hyx_stack(callee: Call) -> Call:
    timed = hyx_timeout(SECONDS)(callee)
    broken = consecutive_breaker(failure_threshold=5)(timed)
    return hyx_retry(attempts=3)(hyx_bulkhead(10, 10)(broken))


def common_stack(callee: Call) -> Call:
    """What the field's favourites come to, one around the other."""
    room = asyncio.Semaphore(10)

    async def limited() -> object:
        async with room, asyncio.timeout(SECONDS):
            return await callee()

    return with_tenacity(with_purgatory(limited))


def all_in_one(callee: Call) -> Call:
    return pyresilience.resilient(
        retry=pyresilience.RetryConfig(),
        timeout=pyresilience.TimeoutConfig(seconds=SECONDS),
        circuit_breaker=pyresilience.CircuitBreakerConfig(),
        bulkhead=pyresilience.BulkheadConfig(max_concurrent=10),
    )(callee)


def with_aiobreaker(callee: Call) -> Call:
    breaker = aiobreaker.CircuitBreaker(fail_max=5)

    async def call() -> object:
        return await breaker.call_async(callee)

    return call


PEERS: dict[str, Subject] = {
    "hyx: bulkhead + breaker + retry + timeout": hyx_stack,
    "pyresilience: bulkhead + breaker + retry + timeout": all_in_one,
    "tenacity + purgatory + Semaphore + asyncio.timeout": common_stack,
    "tenacity retry": with_tenacity,
    "stamina retry": stamina.retry(on=OSError, attempts=3),
    "circuitbreaker": circuitbreaker.circuit(failure_threshold=5),
    "aiobreaker": with_aiobreaker,
    "purgatory breaker": with_purgatory,
    "hyx breaker": consecutive_breaker(failure_threshold=5),
}


async def quick() -> None:
    """Returns at once."""


async def suspending() -> None:
    """Gives way once, as a call over a socket does."""
    await asyncio.sleep(0)


async def measure(callee: Call) -> dict[str, float]:
    """Microseconds of each over the bare call."""
    subjects = {"asyncio.timeout": asyncio_timeout, **STDLIB, **OURS, **PEERS}
    dressed = [make(callee) for make in subjects.values()]  # hyx wants a running loop for that
    return dict(zip(subjects, await costs_over(callee, *dressed), strict=True))


def main() -> None:
    table = {name: asyncio.run(measure(callee)) for name, callee in (("quick", quick), ("suspending", suspending))}
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    json.dump({"us": table, "versions": versions}, sys.stdout)


if __name__ == "__main__":
    main()
