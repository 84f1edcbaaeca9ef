"""Places in a session's log, as clients name them: `log_id:seq.n`.

`n` counts the frames of one event, from 1. So `seq.n` means that everything up to the n-th frame of event `seq` was
seen, and `seq.0` that nothing of it was. Frames carry the first form; answers that name a
place to follow from use the second.
"""

import re
from dataclasses import dataclass

from yaoki.errors import SecurityInputRejectedError

_FORM = re.compile(r"([^\s:]{1,64}):([0-9]{1,18})\.([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class EventId:
    """A place in the log `log_id`."""

    log_id: str
    seq: int
    n: int

    def is_beyond(self, last_seq: int) -> bool:
        """Whether a log whose newest event is `last_seq` has not come so far."""
        return (self.seq, self.n) > (last_seq + 1, 0)

    def __str__(self) -> str:
        return f"{self.log_id}:{self.seq}.{self.n}"


def parse_event_id(text: str, field: str) -> EventId:
    """The place that a client names.

    Args:
        text: What the client sent.
        field: Where it sent it, for the error.

    Raises:
        SecurityInputRejectedError: It is not the id of an event.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise SecurityInputRejectedError(
            "This is not the id of an event.",
            status=400,
            field=field,
            remedy="Send the id of the last event that you received, or leave it out to read from the beginning.",
        )
    log_id, seq, n = match.groups()
    return EventId(log_id, int(seq), int(n)) if int(seq) else EventId(log_id, 1, 0)
