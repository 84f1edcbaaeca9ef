"""`yaoki chat`: a conversation on the terminal, by way of the server's HTTP API like any other client."""

import importlib
import logging
import sys
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yaoki.cli.answer import WHOLE
from yaoki.cli.background import Background
from yaoki.cli.client import Client
from yaoki.cli.conversation import Conversation
from yaoki.cli.find_server import server_for
from yaoki.cli.globals import Globals
from yaoki.cli.logging_setup import secret_values, set_up_logging
from yaoki.cli.outcome import FAILED, INTERRUPTED, OK
from yaoki.cli.screen import JsonScreen, Screen
from yaoki.errors import AIOrchestrationError

if TYPE_CHECKING:
    from yaoki.settings import Settings

_PROMPT = "you> "


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """What the command was told.

    Attributes:
        session: The session to go on with; None: a new one.
        once: The only question; None: ask for questions.
        as_json: Print events instead of the answers' text.
    """

    session: str | None = None
    once: str | None = None
    as_json: bool = False


def chat(options: Globals, wanted: ChatOptions) -> int:
    """Talk until the person leaves.

    Returns:
        0; 1 if an answer was asked for by a script and is not whole; 130 if it was interrupted.

    Raises:
        AIOrchestrationError: The conversation cannot begin, or a script's question failed.
    """
    settings = options.settings()
    level = logging.INFO if options.verbose else logging.CRITICAL
    set_up_logging(level=level, secrets=secret_values(settings.secret_variables()))
    screen = JsonScreen() if wanted.as_json else Screen()
    with Background() as loop, loop.hold(_connected(settings)) as client:
        talk = _Talk(loop, client, screen)
        talk.begin(wanted.session)
        if wanted.once is not None:
            return _code(talk.ask(wanted.once))
        if not sys.stdin.isatty():
            return max((_code(talk.ask(line)) for line in _piped()), default=OK)
        return talk.until_left()


class _Talk:
    """The main thread's half: reads the person's lines, and turns Ctrl-C into what it means at that moment."""

    def __init__(self, loop: Background, client: Client, screen: Screen) -> None:
        self._loop = loop
        self._client = client
        self._screen = screen
        self._conversation: Conversation

    def begin(self, session_id: str | None) -> None:
        """Open or take up the session; an answer that is being written is followed to its end."""
        opening = self._loop.start(Conversation.open(self._client, self._screen, session_id))
        self._conversation = opening.result()
        if self._conversation.open_turn:
            self._wait(self._conversation.rejoin())

    def ask(self, question: str) -> str:
        """One question and its answer; returns the outcome."""
        return self._wait(self._conversation.ask(question))

    def until_left(self) -> int:
        """Questions from the terminal, until Ctrl-D, or Ctrl-C while nothing is being answered."""
        with suppress(ModuleNotFoundError):
            importlib.import_module("readline")  # line editing, where Python has it
        code = OK
        try:
            for question in _typed():
                self._ask_and_tell(question)
        except KeyboardInterrupt:
            code = INTERRUPTED
        self._screen.note(f"\nTo go on with it: yaoki chat --session {self._conversation.session_id}")
        return code

    def _ask_and_tell(self, question: str) -> None:
        try:
            self.ask(question)
        except AIOrchestrationError as error:
            self._screen.note(error.message)

    def _wait(self, answering: Coroutine[Any, Any, str]) -> str:
        """The first Ctrl-C stops the answer, the second one leaves."""
        future = self._loop.start(answering)
        stopping = False
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                if stopping:
                    future.cancel()
                    raise
                stopping = True
                self._screen.note("\nstopping; Ctrl-C again leaves")
                self._loop.start(self._conversation.stop())


@asynccontextmanager
async def _connected(settings: "Settings") -> AsyncGenerator[Client, None]:
    async with (
        server_for(settings) as address,
        Client(address, heartbeat_s=settings.limits.heartbeat_s) as client,
    ):
        yield client


def _typed() -> Iterator[str]:
    while True:
        try:
            line = input(_PROMPT)
        except EOFError:
            return
        if line.strip():
            yield line


def _piped() -> Iterator[str]:
    for line in sys.stdin:
        if line.strip():
            yield line.rstrip("\n")


def _code(outcome: str) -> int:
    if outcome == "cancelled":
        return INTERRUPTED
    return OK if outcome in WHOLE else FAILED
