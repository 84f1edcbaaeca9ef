"""One session as a client sees it: questions sent, answers followed to their end whatever happens to the link."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Self

from yaoki.cli.answer import Answer, printable
from yaoki.cli.client import Client, Sent
from yaoki.cli.screen import Screen
from yaoki.errors import AIOrchestrationError

_RECALLED = 6


class Conversation:
    """Asks in one session. Its coroutines run one after the other, but for `stop`.

    Attributes:
        open_turn: A turn that was running when the session was taken up.
    """

    def __init__(self, client: Client, screen: Screen, session_id: str) -> None:
        self.session_id = session_id
        self.open_turn: str | None = None
        self._client = client
        self._screen = screen
        self._follow_from = ""

    @classmethod
    async def open(cls, client: Client, screen: Screen, session_id: str | None) -> Self:
        """A new session, or an old one with its last messages told again.

        Raises:
            SessionNotFoundError: There is no session of that id.
        """
        if session_id is None:
            return cls(client, screen, await client.create_session())
        conversation = cls(client, screen, session_id)
        history = await client.history(session_id)
        conversation.open_turn = history.get("open_turn")
        conversation._follow_from = str(history["event_id"])
        for message in _finished(history)[-_RECALLED:]:
            who = "you> " if message.get("role") == "user" else ""
            screen.note(f"{who}{printable(str(message.get('content', '')))}")
        return conversation

    async def ask(self, question: str) -> str:
        """Send a question and follow its answer; returns the outcome.

        Raises:
            AIOrchestrationError: The server did not take the question, or refuses to tell its answer.
        """
        sent = await self._client.send(self.session_id, question)
        return await self._follow(sent, question)

    async def rejoin(self) -> str:
        """Follow the turn that was open when the session was taken up; returns the outcome."""
        return await self._follow(Sent("", self.open_turn or "", self._follow_from), None)

    async def stop(self) -> None:
        """Ask whatever runs in the session to stop."""
        try:
            await self._client.cancel(self.session_id)
        except AIOrchestrationError as error:
            self._screen.note(f"it cannot be stopped now: {error.message}")

    async def _follow(self, sent: Sent, question: str | None) -> str:
        answer = Answer(sent.turn_id, self._screen.write, self._screen.note)
        async with aclosing(self._client.events(self.session_id, sent.event_id)) as events:
            async for item in events:
                self._screen.event(item)
                answer.take(item)
                if answer.log_changed:
                    await self._look_again(answer, sent, question)
                if answer.outcome:
                    break
        return answer.outcome or "failed"

    async def _look_again(self, answer: Answer, sent: Sent, question: str | None) -> None:
        """The server's log is another than before: end the answer if it has ended, ask again if it is lost."""
        answer.log_changed = False
        history = await self._client.history(self.session_id)
        for message in history["messages"]:
            if message["turn_id"] == answer.turn_id and message["outcome"]:
                answer.end(message["outcome"], message["note"], message["content"])
                return
        waiting = {message["turn_id"] for message in history.get("waiting", ())}
        if answer.turn_id in {history["open_turn"], *waiting}:
            return
        if question is None:
            answer.end("failed", "The server has lost this turn; ask again.")
            return
        again = await self._client.send(self.session_id, question, message_id=sent.message_id)
        self._screen.note("the server had lost the question; it was sent again")
        answer.turn_id = again.turn_id


def _finished(history: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The messages before the one that is being written."""
    return [message for message in history["messages"] if message["id"] != history["open_message"]]
