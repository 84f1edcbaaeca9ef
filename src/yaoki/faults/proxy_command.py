"""The command `python -m yaoki.faults proxy --target 127.0.0.1:5432 --latency 0.2`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from yaoki.errors import ConfigurationSettingError
from yaoki.faults.link import Lane, Link
from yaoki.faults.proxy import FaultProxy
from yaoki.faults.stopping import until_told_to_stop

_EXAMPLES = """\
examples:
  a model that seems 200 to 300 ms further away, in both directions:
      python -m yaoki.faults proxy --target 127.0.0.1:11434 --latency 0.2 --jitter 0.1 --direction both
  one answer that ends after 4000 bytes as if it were whole, then healthy connections:
      python -m yaoki.faults proxy --target 127.0.0.1:11434 --cut-after 4000 --times 1
  a database behind a slow modem that goes silent:
      python -m yaoki.faults proxy --target 127.0.0.1:5432 --bandwidth 7000 --half-open-after 20000
  change its mind while it runs (the second line that it prints is the control address):
      curl -d '{"down": {"latency_s": 2}, "up": {"corruption": 0.001}}' http://127.0.0.1:PORT/control
      curl -d '{"frozen": true}' http://127.0.0.1:PORT/control
      curl -d '{"refuse": true}' http://127.0.0.1:PORT/control
      curl -d '{}' http://127.0.0.1:PORT/control              (healthy again)
  cut or reset whatever is open, now:
      curl -d '{"now": "cut"}' http://127.0.0.1:PORT/control
  what it has done so far:
      curl http://127.0.0.1:PORT/control
"""


def main(argv: Sequence[str]) -> int:
    """Parse, serve, and return the exit status."""
    options = _parser().parse_args(argv)
    try:
        asyncio.run(_serve(FaultProxy(options.target, port=options.port, seed=options.seed), _link(options)))
    except (ConfigurationSettingError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


async def _serve(proxy: FaultProxy, link: Link) -> None:
    async with proxy:
        await proxy.play(link)
        sys.stdout.write(f"{proxy.address}\n{proxy.control_url}\n")
        sys.stdout.flush()
        await until_told_to_stop()


def _link(options: argparse.Namespace) -> Link:
    lane = Lane(
        latency_s=options.latency,
        jitter_s=options.jitter,
        bytes_per_s=options.bandwidth,
        corruption=options.corrupt,
        cut_after=options.cut_after,
        reset_after=options.reset_after,
        half_open_after=options.half_open_after,
    )
    lanes = {name: lane for name in ("up", "down") if options.direction in (name, "both")}
    return Link(**lanes, refuse=options.refuse, frozen=options.freeze, times=options.times)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m yaoki.faults proxy",
        description="A fault proxy: stands in front of any TCP service, on loopback, and spoils connections as asked.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where connections are passed on to")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) picks a free one; always on 127.0.0.1")
    parser.add_argument(
        "--direction",
        choices=["down", "up", "both"],
        default="down",
        help="what the faults below hit: down (the default) is from the target to the client",
    )
    lane = parser.add_argument_group("faults of a direction (counted per connection)")
    lane.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds that every byte is late")
    lane.add_argument("--jitter", type=float, default=0.0, metavar="S", help="up to so many seconds more, by chance")
    lane.add_argument("--bandwidth", type=float, metavar="BYTES", help="bytes per second")
    lane.add_argument("--corrupt", type=float, default=0.0, metavar="SHARE", help="bytes with a flipped bit, 0 to 1")
    lane.add_argument("--cut-after", type=int, metavar="BYTES", help="then close in good order, as if all was said")
    lane.add_argument("--reset-after", type=int, metavar="BYTES", help="then reset the connection")
    lane.add_argument("--half-open-after", type=int, metavar="BYTES", help="then take everything and pass on nothing")
    whole = parser.add_argument_group("faults of the whole connection")
    whole.add_argument("--refuse", action="store_true", help="refuse new connections")
    whole.add_argument("--freeze", action="store_true", help="nothing moves, in either direction")
    whole.add_argument("--times", type=int, metavar="N", help="new connections that are hit; default: all")
    whole.add_argument("--seed", type=int, default=0, help="of jitter and corruption: the same again; default: 0")
    return parser
