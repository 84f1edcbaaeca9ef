"""What a client knows at a place in the log, and the prelude: frames that bring another client to that place."""

from yaoki.api.frames import Body, Frame, Projection, message_start, run_started, snapshot, snapshot_messages
from yaoki.sessions.transcript import Transcript
from yaoki.store.events import Stored


class View:
    """A client's knowledge: the messages, the open run and the open message. It may stand inside an event.

    Args:
        transcript: The session at the end of an event; frames of the next one may be applied to it.
    """

    __slots__ = ("_run", "message", "messages")

    def __init__(self, session_id: str, transcript: Transcript) -> None:
        self.messages = snapshot_messages(transcript)
        self.message = transcript.open_message
        turn = transcript.open_turn
        self._run = None if turn is None else run_started(session_id, transcript.messages, turn)

    def apply(self, body: Body) -> None:
        """Take one more frame."""
        match body["type"]:
            case "RUN_STARTED":
                self._run = body
                self.messages += body["input"]["messages"]
            case "RUN_FINISHED" | "RUN_ERROR":
                self._run = None
            case "TEXT_MESSAGE_START":
                self.message = body["messageId"]
                named = {"name": body["name"]} if "name" in body else {}
                self.messages.append({"id": self.message, "role": "assistant", "content": "", **named})
            case "TEXT_MESSAGE_CONTENT":
                self.messages[-1] = {**self.messages[-1], "content": self.messages[-1]["content"] + body["delta"]}
            case "TEXT_MESSAGE_END":
                self.message = None
            case "MESSAGES_SNAPSHOT":
                self.messages = body["messages"]
            case _:
                pass

    def prelude(self) -> list[Body]:
        """The frames that open the run again; none between runs."""
        if self._run is None:
            return []
        return [self._run, snapshot(self.messages), *self.reopened()]

    def run(self) -> list[Body]:
        """RUN_STARTED of the open run, if there is one."""
        return [self._run] if self._run else []

    def reopened(self) -> list[Body]:
        """TEXT_MESSAGE_START of the open message, if there is one."""
        if self.message is None:
            return []
        name = next((message.get("name") for message in self.messages if message["id"] == self.message), None)
        return [message_start(self.message, name)]


def resume(projection: Projection, stored: Stored, seen: int) -> tuple[list[Body], list[Frame]]:
    """Go on for a reader who has the first `seen` frames of an event: the prelude, and the frames that it lacks."""
    view = View(projection.session_id, projection.transcript)
    frames = projection.take(stored)
    for frame in frames[:seen]:
        view.apply(frame.body)
    return view.prelude(), frames[seen:]
