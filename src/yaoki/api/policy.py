"""What the HTTP side allows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPolicy:
    """Bounds and names of the HTTP side.

    Attributes:
        body_bytes: Largest request body.
        message_chars: Longest message.
        heartbeat_s: Seconds of silence after which an event stream says that it is alive.
        send_timeout_s: Seconds that a client may leave its stream unread before it is cut off.
        request_timeout_s: Seconds for a request's headers to arrive, and again for its body.
        retry_after_s: Seconds that a refused client is told to wait; a reader that is sent away at a stop waits up to
            twice as long, so that they do not all come back at once.
        hosts: Names by which the server may be addressed, besides those of the loopback.
        origins: Origins of other sites that may use it, as `scheme://host[:port]`.
    """

    body_bytes: int = 1_048_576
    message_chars: int = 32_000
    heartbeat_s: float = 5.0
    send_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    retry_after_s: float = 2.0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
