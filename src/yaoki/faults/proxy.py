"""The fault proxy: a TCP service on loopback that passes everything on to another one, or does what its link says.

It knows no protocol. Its control port (`yaoki.faults.control`) answers also while the proxy itself refuses connections.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random
from types import TracebackType
from typing import Any, Literal, Self, cast

from yaoki.errors import ConfigurationSettingError
from yaoki.faults import control
from yaoki.faults.http_listener import HttpListener
from yaoki.faults.link import HEALTHY, Link, link_from
from yaoki.faults.listener import HOST, Listener
from yaoki.faults.raw_http import reset
from yaoki.faults.relay import Relay, Streams

_READ_AHEAD = 65_536
_NOW = ("cut", "reset")


@dataclass(slots=True)
class _Connection:
    """What a connection has to obey, and what carries it as soon as the target has taken it."""

    link: Link
    relay: Relay | None = None

    def obey(self, link: Link) -> None:
        self.link = link
        if self.relay is not None:
            self.relay.obey(link)


class FaultProxy:
    """Stands between a client and a service.

    Args:
        target: Where connections are passed on to, as `host:port`.
        port: Its own port on 127.0.0.1; 0 picks a free one.
        seed: Of jitter and corruption: the n-th connection sees the same ones again.

    Attributes:
        fired: How often each thing happened: latency (reads that were made late), bandwidth (pieces that later ones
            had to wait for), corruption (bytes), half_open (directions), cut, reset and freeze (connections), refuse
            (times that the door was shut).
        seen: Connections taken so far.
        unreachable: Those that were reset, since the target did not take them.

    Raises:
        ConfigurationSettingError: The target is not `host:port`.

    Example:
        async with FaultProxy("127.0.0.1:5432") as proxy:
            await proxy.play(Link(down=Lane(cut_after=4000), times=1))
            ...  # point a client at proxy.address
            assert proxy.fired["cut"] == 1
    """

    def __init__(self, target: str, *, port: int = 0, seed: int = 0) -> None:
        self.target = target
        self.fired: Counter[str] = Counter()
        self.seen = 0
        self.unreachable = 0
        self._host, self._target_port = _split(target)
        self._seed = seed
        self._link = HEALTHY
        self._left = HEALTHY.times
        self._happened = asyncio.Event()
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._passed = {"up": 0, "down": 0}
        self._closing = False
        self._listener = Listener(self._accepted, port, limit=_READ_AHEAD)
        self._control = HttpListener(control.control_route(self.state, self._obey))

    def __repr__(self) -> str:
        return f"<FaultProxy {self.address} → {self.target} open={self.open} fired={dict(self.fired)}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def address(self) -> str:
        """What a client is given: `127.0.0.1:port`."""
        return f"{HOST}:{self._listener.number}"

    @property
    def control_url(self) -> str:
        """Where it is told what to do from another process."""
        return f"http://{HOST}:{self._control.number}{control.PATH}"

    @property
    def open(self) -> int:
        """Connections that it holds now."""
        return len(self._connections)

    async def start(self) -> None:
        """Open the control port and listen."""
        await self._control.listen()
        await self._listener.listen()

    async def aclose(self) -> None:
        """Stop listening and reset every connection."""
        self._closing = True
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections))
        await self._control.aclose()

    async def play(self, link: Link = HEALTHY) -> None:
        """Do this from now on: to every connection, or only to the next ones if the link counts them."""
        self._link, self._left = link, link.times
        if link.times is None:
            for connection in self._connections.values():
                connection.obey(link)
        if link.refuse:
            self._fire("refuse", 1)
            self._listener.refuse()
        else:
            await self._listener.listen()

    def cut(self) -> int:
        """Close every open connection in good order, on both sides; returns how many."""
        return self._end("cut")

    def reset(self) -> int:
        """Reset every open connection, on both sides; returns how many."""
        return self._end("reset")

    async def until(self, true: Callable[[Self], bool]) -> None:
        """Return as soon as `true` of this proxy: asked whenever something fires, or a connection begins or ends."""
        while not true(self):
            self._happened.clear()
            await self._happened.wait()

    def state(self) -> dict[str, Any]:
        """What happened so far, as plain JSON values."""
        return {
            "address": self.address,
            "target": self.target,
            "link": {**asdict(self._link), "times": self._left},
            "fired": dict(self.fired),
            "connections": {"open": self.open, "seen": self.seen, "unreachable": self.unreachable},
            "bytes": {
                "up": self._passed["up"] + sum(relay.up.passed for relay in self._relays),
                "down": self._passed["down"] + sum(relay.down.passed for relay in self._relays),
            },
        }

    async def _obey(self, body: dict[str, Any]) -> None:
        """A request to the control port."""
        now = body.get("now")
        if now is None:
            await self.play(link_from(body))
        elif now in _NOW and len(body) == 1:
            self._end(now)
        else:
            raise ConfigurationSettingError(f"now is one of {', '.join(_NOW)}, and stands alone.")

    # -------------------------------------------------------------------------------------------------------- carrying

    @property
    def _relays(self) -> list[Relay]:
        return [connection.relay for connection in self._connections.values() if connection.relay is not None]

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, connection = cast("asyncio.Task[None]", asyncio.current_task()), _Connection(self._take_link())
        self._connections[task] = connection
        self.seen += 1
        rng = Random(f"{self._seed}/{self.seen}")  # noqa: S311 - chance that can be played again
        self._happened.set()
        try:
            if not self._closing:
                await self._carry(connection, (reader, writer), rng)
        except asyncio.CancelledError:
            return  # the proxy is closing
        finally:
            reset(writer)
            self._forget(task)

    async def _carry(self, connection: _Connection, client: Streams, rng: Random) -> None:
        try:
            target = await asyncio.open_connection(self._host, self._target_port, limit=_READ_AHEAD)
        except OSError:
            self.unreachable += 1
            return
        connection.relay = Relay(client, target, rng, self._fire)
        connection.obey(connection.link)
        await connection.relay.run()

    def _take_link(self) -> Link:
        """The link of a new connection; one that counts is used up by it."""
        if self._left is None:
            return self._link
        if self._left == 0:
            return HEALTHY
        self._left -= 1
        return self._link

    def _end(self, how: Literal["cut", "reset"]) -> int:
        return sum(relay.end(how) for relay in self._relays)

    def _fire(self, what: str, times: int) -> None:
        self.fired[what] += times
        self._happened.set()

    def _forget(self, task: asyncio.Task[None]) -> None:
        relay = self._connections.pop(task).relay
        if relay is not None:
            self._passed["up"] += relay.up.passed
            self._passed["down"] += relay.down.passed
        self._happened.set()


def _split(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationSettingError(f"The target must be host:port, not {target!r}.")
    return host.strip("[]"), int(port)
