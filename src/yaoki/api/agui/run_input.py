"""What an AG-UI client sends to start a run, as far as it concerns us."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from yaoki.api.problems import validated
from yaoki.api.shapes import Id, NewMessage
from yaoki.errors import SecurityInputRejectedError


class RunInput(BaseModel):
    """AG-UI's RunAgentInput.

    A client's tools, context and state are not used, and neither is its copy of the history: the session knows what was
    said.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    thread_id: Id = Field(alias="threadId")
    run_id: Id = Field(alias="runId")
    messages: list[dict[str, Any]] = []

    @property
    def question_id(self) -> str | None:
        """The id of the last message of the user, if there is one."""
        question = self._question()
        return str(question.get("id")) if question else None

    def question(self) -> NewMessage:
        """The last message of the user: what the run is to answer. Its id is the message's own id.

        Raises:
            SecurityInputRejectedError: There is none, or it is more than text.
        """
        question = self._question()
        if question is None:
            raise SecurityInputRejectedError(
                "There is no message of the user to answer.", field="messages", remedy="Send one with the role user."
            )
        checked = {"id": question.get("id"), "content": _text(question.get("content"))}
        if checked["id"] is None:
            raise SecurityInputRejectedError(
                "The user's message has no id.", field="messages", remedy="Give each message an id of its own."
            )
        return validated(NewMessage, checked, "body")

    def _question(self) -> Mapping[str, Any] | None:
        return next((message for message in reversed(self.messages) if message.get("role") == "user"), None)


def _text(content: object) -> object:
    """The text of a message that comes as a string, or as a list of parts."""
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for part in cast("list[object]", content):
        text = cast("Mapping[str, object]", part).get("text") if isinstance(part, Mapping) else None
        if not isinstance(text, str):
            raise SecurityInputRejectedError("Only text can be answered here.", field="messages", remedy="Send text.")
        texts.append(text)
    return "".join(texts)
