"""The options of `yaoki chaos`; the work is in `chaos`."""

from pathlib import Path
from typing import Annotated

import typer

from yaoki.cli.globals import JsonOption

EXAMPLES = (
    "yaoki chaos -- python ask.py",
    "yaoki chaos --upstream https://api.openai.com/v1 -- python ask.py",
    "yaoki chaos --faults cuts,html --times always --command 'my-agent --api-base {base_url} Hello'",
    "yaoki chaos --port 9100 --client-base-url http://127.0.0.1:8400/v1 -- python ask.py",
    "yaoki chaos --list",
)


def chaos(
    words: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND", help="Your program.")] = None,
    upstream: Annotated[
        str, typer.Option(metavar="URL", help="The base URL that really answers; `scripted`: one of ours.")
    ] = "scripted",
    faults: Annotated[str, typer.Option(metavar="NAMES", help="Faults, sets, rows; commas between.")] = "default",
    command: Annotated[str | None, typer.Option(metavar="LINE", help="Your program, on one line; no shell.")] = None,
    times: Annotated[str, typer.Option(metavar="N|always", help="How many requests of a run are hit.")] = "1",
    at: Annotated[
        int | None, typer.Option(min=0, metavar="CHARS", help="Text before the fault [default: two fifths].")
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, metavar="S", help="How long a run may take.")] = 30.0,
    pause_s: Annotated[
        float, typer.Option(min=0.001, metavar="S", help="Length of a pause, and between pieces that trickle.")
    ] = 1.0,
    parallel: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Runs at the same time.")] = 1,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Where the proxy listens; 0: a free one.")
    ] = 0,
    client_base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="What your program asks, where something stands between it and the proxy."),
    ] = None,
    told_pattern: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="What your program prints when it knows that an answer is not whole."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="For chaos.html and chaos.json.")] = Path("chaos-report"),
    as_json: JsonOption = False,
    listed: Annotated[bool, typer.Option("--list", help="Print every set and every fault.")] = False,
) -> None:
    """Test your own program under model faults.

    Puts a proxy before an OpenAI-compatible base URL. Runs your program once without a fault, and once with each. The
    program finds the proxy in OPENAI_BASE_URL, or where {base_url} stands in its arguments; it must print the answer.
    The report counts how many answers were whole, told (it failed, or said so), cut and called a success, repeated,
    hung or lost.

    The upstream is asked once; its answer is recorded and played in each run, hit by that run's fault. Without
    --upstream a scripted provider on this machine answers. The exit code is 0 if no answer was cut and called a
    success, repeated, hung or lost, 1 if one was, 2 if nothing could be measured.
    """
    from yaoki.cli.chaos import chaos as work

    if listed:
        work.list_faults()
        return
    from yaoki.cli.chaos.run import ChaosPolicy
    from yaoki.faults.sets import chosen

    policy = ChaosPolicy(
        command=work.command_of(words or (), command),
        upstream=upstream,
        faults=chosen(faults),
        times=work.times_of(times),
        at=at,
        timeout_s=timeout_s,
        pause_s=pause_s,
        parallel=parallel,
        port=port,
        client_base_url=client_base_url,
        told=work.pattern_of(told_pattern),
    )
    raise typer.Exit(work.chaos(policy, folder=out, as_json=as_json))
