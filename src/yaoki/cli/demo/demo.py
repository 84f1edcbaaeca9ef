"""`yaoki demo`: the same cut for the bare SDK and for Yaoki, then a killed server; and a scoreboard of what came of it.

Nothing is staged but the faults: the models are real, and so are the server, the sockets and the signals. What the
first model said is recorded, so that both sides are cut in the same place of the same words. The scoreboard is computed
from what each side's client was given (`score`).
"""

import asyncio
import json
import logging
import os
import signal
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from rich.console import Console

from yaoki.cli.demo.board import Board, CutAct, KillAct
from yaoki.cli.demo.reader import Reader
from yaoki.cli.demo.score import Transcript, score
from yaoki.cli.demo.screen import RIGHT, NoStage, PlainLines, SplitScreen, Stage
from yaoki.cli.demo.sdk import ask_bare_sdk
from yaoki.cli.demo.server import FIRST, DemoServer
from yaoki.cli.demo.tape import Messages, Player, Tape, record
from yaoki.cli.logging_setup import set_up_logging
from yaoki.cli.outcome import FAILED, INTERRUPTED, OK, say
from yaoki.faults import FaultProxy, Lane, Link
from yaoki.llm.local import LocalModel, LocalModelPolicy
from yaoki.settings.places import data_dir

INSTRUCTIONS = "You are a helpful assistant. Answer briefly, in three or four plain sentences."
CUT_QUESTION = "Why is the sky blue?"
KILL_QUESTION = "What is a rainbow, and how does it come about?"
_CUT_SHARE = 0.4
_KILL_AFTER_CHARS = 40
_START_S = 60.0
_ANSWER_S = 120.0
_PLAIN_WIDTH = 100


def demo(*, as_json: bool) -> int:
    """Play both acts and tell the score.

    Returns:
        0 if Yaoki won both, 1 if not, 130 if it was stopped.

    Raises:
        ConfigurationError: The weights or the runtime of the embedded model are not installed.
        AIOrchestrationError: The acts could not be played.
    """
    set_up_logging(level=logging.CRITICAL)
    console = Console(width=None if Console().is_terminal else _PLAIN_WIDTH)
    stage: Stage = NoStage() if as_json else SplitScreen(console) if console.is_terminal else PlainLines(console)
    try:
        board = asyncio.run(_played(stage))
    except asyncio.CancelledError:
        return INTERRUPTED
    if as_json:
        say(json.dumps(board.as_dict(), ensure_ascii=False))
    else:
        console.print()
        console.print(board.table())
        for line in board.verdict():
            console.print(line, markup=False, highlight=False)
    return OK if board.won else FAILED


async def _played(stage: Stage) -> Board:
    """Both acts; whatever was started for them is gone afterwards, however this ends."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(
            number, cast("asyncio.Task[Board]", asyncio.current_task()).cancel
        )
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="yaoki-demo-", ignore_cleanup_errors=True)))
        stack.callback(stage.curtain)
        tape = await _recorded(stage)
        player = await stack.enter_async_context(Player(tape, token_s=stage.token_s))
        proxy = await stack.enter_async_context(FaultProxy(player.address))
        stage.tell("Starting yaoki serve in a temporary folder …")
        server = await stack.enter_async_context(DemoServer(folder, f"http://{proxy.address}/v1", INSTRUCTIONS))
        await server.until_ready()
        cut = await _act_of_the_cut(stage, tape, proxy, server)
        await stage.beat(3.0)
        kill = await _act_of_the_kill(stage, proxy, server)
    versions = {name: version(name) for name in ("yaoki", "openai")}
    return Board(cut=cut, kill=kill, versions=versions)


async def _recorded(stage: Stage) -> Tape:
    """A real answer of the embedded model."""
    stage.tell("Recording one answer of the embedded model (SmolLM2-135M, in a process of its own) …")
    async with LocalModel(FIRST, LocalModelPolicy(data_dir=data_dir(os.environ))) as model:
        await model.wait_ready(_START_S)
        tape = await record(model, _messages(CUT_QUESTION))
    stage.tell(f"  It said {len(tape.text)} characters and ended with finish_reason={tape.finish!r}.")
    return tape


async def _act_of_the_cut(stage: Stage, tape: Tape, proxy: FaultProxy, server: DemoServer) -> CutAct:
    """The recorded answer is played to both sides, through a proxy that closes both connections in the same place."""
    cut = tape.cut_at(_CUT_SHARE)
    await proxy.play(Link(down=Lane(cut_after=cut.after_bytes)))
    stage.act(
        "Act 1: the model's stream ends in the middle. "
        f'Both ask: "{CUT_QUESTION}" Both connections are closed, in good order, after {cut.after_bytes} bytes.'
    )
    bare, yaoki = await asyncio.gather(
        ask_bare_sdk(stage, f"http://{proxy.address}/v1", FIRST, _messages(CUT_QUESTION)),
        _ask(stage, server, CUT_QUESTION),
    )
    stage.curtain()
    return CutAct(
        cuts=proxy.fired["cut"],
        after_chars=len(cut.half),
        of_chars=len(tape.text),
        bare=score(bare, cut.half, whole=tape.text),
        yaoki=score(yaoki, cut.half),
        bare_told=bare.told,
        yaoki_told=yaoki.told,
    )


async def _ask(stage: Stage, server: DemoServer, question: str) -> Transcript:
    """What a client of Yaoki is given."""
    async with server.client() as client:
        session_id = await client.create_session()
        sent = await client.send(session_id, question)
        return await Reader(stage, sent.turn_id).follow(client, session_id, sent, within_s=_ANSWER_S)


async def _act_of_the_kill(stage: Stage, proxy: FaultProxy, server: DemoServer) -> KillAct:
    """The first model is down altogether; the server is killed while the second one answers, and started again."""
    await proxy.play(Link(refuse=True))
    stage.act(
        "Act 2: kill -9 of the server in the middle of an answer. "
        f'Asked is: "{KILL_QUESTION}" The first model refuses connections now.',
        absent="not in this act: the bare SDK has no server to be killed, and keeps nothing to come back to",
    )
    async with server.client() as client:
        session_id = await client.create_session()
        sent = await client.send(session_id, KILL_QUESTION)
        reader = Reader(stage, sent.turn_id)
        following = asyncio.create_task(reader.follow(client, session_id, sent, within_s=_ANSWER_S))
        middle = asyncio.create_task(reader.until(lambda it: it.ended or len(it.text) >= _KILL_AFTER_CHARS))
        try:
            await asyncio.wait({following, middle}, return_when=asyncio.FIRST_COMPLETED)
            half = reader.text
            stage.note(RIGHT, f"kill -9 {server.pid}")
            killed = await server.kill()
            await server.start()
            stage.note(RIGHT, f"yaoki serve is started again, as process {server.pid}")
            transcript = await following
        finally:
            following.cancel()
            middle.cancel()
            await asyncio.wait({following, middle})
    stage.curtain()
    return KillAct(
        killed=killed and reader.resumed > 0,
        after_chars=len(half),
        yaoki=score(transcript, half),
        told=transcript.told,
    )


def _messages(question: str) -> Messages:
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": question}]
