"""Accepting a message, from any route or link."""

from yaoki.api.services import Services
from yaoki.api.shapes import NewMessage
from yaoki.errors import SecurityInputRejectedError
from yaoki.store.contract import Accepted


async def accept(
    services: Services, owner: str, session_id: str, message: NewMessage, *, turn_id: str | None = None
) -> Accepted:
    """Write a message down; its turn will run, whether or not anyone listens.

    Args:
        turn_id: The id that its turn is to have, if the message is new.

    Raises:
        SecurityInputRejectedError: It is too long.
        AIOrchestrationError: What `Orchestrator.send` raises.
    """
    check_length(services, message)
    return await services.orchestrator.send(owner, session_id, message.content, message_id=message.id, turn_id=turn_id)


def check_length(services: Services, message: NewMessage) -> None:
    """Raise SecurityInputRejectedError for a message that is too long."""
    limit = services.policy.message_chars
    if len(message.content) > limit:
        raise SecurityInputRejectedError(
            f"The message has {len(message.content)} characters; {limit} is the limit.",
            field="content",
            limit=limit,
            remedy="Send less at once.",
        )
