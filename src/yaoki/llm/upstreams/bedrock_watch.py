"""The watcher in Bedrock's SDK, whose transport cannot be wrapped: its event stream ends where the answer does.

event           means
messageStop     the terminator: after it nothing is a fault
metadata        the usage; after the terminator nothing more is worth waiting for
the end before  the answer was cut

Frames are checked by the SDK: each carries the checksum of what is in it.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from yaoki.errors import ModelTruncatedError

_STREAM = "stream"


def watch_streams(client: Any) -> None:
    """Have every stream of a client of Bedrock's runtime watched, and nothing asked twice: only the chain retries."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    client.meta.events.register(f"after-call.{service}.ConverseStream", _watch)


def _watch(parsed: dict[str, Any], **_: object) -> None:
    if _STREAM in parsed:  # a refusal has none
        parsed[_STREAM] = WatchedEventStream(parsed[_STREAM])


class WatchedEventStream:
    """An event stream of the SDK's, iterated in a thread, as that is.

    Args:
        inner: It. pydantic-ai closes it by its private parts, so they are ours.

    Raises:
        ModelTruncatedError: While it is iterated: it ended without a terminator.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._raw_stream = inner._raw_stream  # noqa: SLF001 - where pydantic-ai looks for the socket

    def __iter__(self) -> Iterator[dict[str, Any]]:
        finished = False
        try:
            for event in self._inner:
                yield event
                finished = finished or "messageStop" in event
                if finished and "metadata" in event:
                    return
        except (HTTPError, BotoCoreError, OSError):
            if not finished:
                raise
        if not finished:
            raise ModelTruncatedError("The stream ended without a stop reason.", fault="cut")

    def close(self) -> None:
        """Let the connection go."""
        self._inner.close()
