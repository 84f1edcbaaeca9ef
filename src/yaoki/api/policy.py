"""What the HTTP side allows."""

from dataclasses import dataclass

_FRAME_ROOM = 65_536
_CHAR_BYTES = 12  # a character beyond the first 65,536 may come as two escapes of six


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPolicy:
    """Bounds and names of the HTTP side.

    Attributes:
        body_bytes: Largest request body, but at the base URL.
        v1_body_bytes: Largest request body at the base URL, images included.
        large_bytes: Of those that are larger than `body_bytes`, all requests together.
        message_chars: Longest message.
        heartbeat_s: Seconds of silence after which an event stream says that it is alive.
        send_timeout_s: Seconds that a client may leave its stream unread before it is cut off.
        request_timeout_s: Seconds for a request's headers to arrive, and again for its body.
        retry_after_s: Seconds that a client which is sent away is told to wait at least: up to twice as long at a stop,
            up to five times when there are too many, so that they do not all come back at once.
        max_streams: Event streams and links that may be open at once.
        max_streams_per_owner: The same for one owner.
        max_requests: Requests under way at once; a stream counts until it has begun.
        ping_s: Seconds between two questions to a link's client whether it lives.
        pong_s: Seconds that it has for the answer.
        ticket_s: Seconds that a ticket for a link may be used.
        hosts: Names by which the server may be addressed, besides those of the loopback.
        origins: Origins of other sites that may use it, as `scheme://host[:port]`.
    """

    body_bytes: int = 1_048_576
    v1_body_bytes: int = 20_971_520
    large_bytes: int = 268_435_456
    message_chars: int = 32_000
    heartbeat_s: float = 5.0
    send_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    retry_after_s: float = 2.0
    max_streams: int = 10_000
    max_streams_per_owner: int = 2_000
    max_requests: int = 256
    ping_s: float = 10.0
    pong_s: float = 15.0
    ticket_s: float = 30.0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def frame_bytes(self) -> int:
        """Largest frame of a client: the longest message, each character as JSON may spell it, and room around it."""
        return _FRAME_ROOM + _CHAR_BYTES * self.message_chars
