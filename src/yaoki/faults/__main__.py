"""The command `python -m yaoki.faults provider --fault cut_mid_stream`; `… proxy` is in `proxy_command`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from yaoki.errors import ConfigurationSettingError
from yaoki.faults import proxy_command
from yaoki.faults.provider import ScriptedProvider
from yaoki.faults.script import ANSWER, BEHAVIOURS, Script
from yaoki.faults.stopping import until_told_to_stop
from yaoki.faults.table import FAULTS

_EXAMPLES = """\
examples:
  a provider that works, a token every 50 ms:
      python -m yaoki.faults provider --port 9001 --token 0.05
  one whose first two answers are cut after 120 characters, and which is healthy from then on:
      python -m yaoki.faults provider --fault cut_mid_stream --at 120 --times 2
  one that sends keep-alive comments every two seconds and never a token:
      python -m yaoki.faults provider --fault comments_only --pause 2
  change its mind while it runs (the second line that it prints is the address):
      curl -d '{"fault": "http_503", "times": 3}' http://127.0.0.1:PORT/control
  what it has seen and done so far:
      curl http://127.0.0.1:PORT/control
  break the connection to anything else, a database or a real model:
      python -m yaoki.faults proxy --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, serve, and return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["proxy"]:
        return proxy_command.main(words[1:])
    options = _parser().parse_args(words)
    if options.list:
        sys.stdout.write(table() + "\n")
        return 0
    script = Script(
        answer=options.answer_file.read_text() if options.answer_file else options.answer,
        fault=options.fault,
        at=options.at,
        times=options.times,
        everywhere=options.everywhere,
        first_token_s=options.first_token,
        token_s=options.token,
        pause_s=options.pause,
        prefill=options.prefill,
        instruction=options.instruction,
    )
    try:
        asyncio.run(_serve(ScriptedProvider(script, port=options.port)))
    except (ConfigurationSettingError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def table() -> str:
    """Every fault as a line: its row in the fault list, its name, what it does. `~` marks what is odd and healthy."""
    width = max(map(len, FAULTS))
    return "\n".join(
        f"{fault.row:4} {'~' if fault.healthy else ' '} {fault.name:{width}}  {fault.summary}"
        for fault in FAULTS.values()
    )


async def _serve(provider: ScriptedProvider) -> None:
    async with provider:
        sys.stdout.write(f"{provider.base_url}\n{provider.control_url}\n")
        sys.stdout.flush()
        await until_told_to_stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m yaoki.faults",
        description="A scripted model provider: OpenAI's protocol on loopback, failing exactly as asked.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=["provider", "proxy"], default="provider", help="what to run")
    parser.add_argument("--list", action="store_true", help="print every fault and leave")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) picks a free one; always on 127.0.0.1")
    parser.add_argument("--fault", metavar="NAME", help="how it goes wrong (see --list); healthy without")
    parser.add_argument("--at", type=int, metavar="CHARS", help="text said before the fault; default: two fifths")
    parser.add_argument("--times", type=int, metavar="N", help="requests that it hits; default: all")
    parser.add_argument("--everywhere", action="store_true", help="it hits GET /v1/models and prefill probes too")
    parser.add_argument("--pause", type=float, default=0.2, metavar="S", help="seconds between pieces that trickle")
    parser.add_argument("--first-token", type=float, default=0.0, metavar="S", help="seconds before the first token")
    parser.add_argument("--token", type=float, default=0.02, metavar="S", help="seconds between tokens")
    parser.add_argument("--answer", default=ANSWER, metavar="TEXT", help="what it says")
    parser.add_argument("--answer-file", type=Path, metavar="FILE", help="the same, from a file")
    parser.add_argument("--prefill", choices=BEHAVIOURS, default="honour", help="what it makes of half an answer")
    parser.add_argument(
        "--instruction", choices=BEHAVIOURS, default="honour", help="what it makes of a request to go on with one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
