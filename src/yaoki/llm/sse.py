"""The server-sent events grammar, fed with bytes as they come off a socket."""

from yaoki.errors import ModelMalformedError

_MAX_EVENT_BYTES = 1_000_000


class SseParser:
    """Turns bytes into the data of whole events.

    CR, LF and CRLF end a line; several `data:` lines make one event; comments and other fields carry no data; a
    character or a line ending may be split between two feeds.
    """

    __slots__ = ("_buffer", "_data", "_started")

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[str] = []
        self._started = False

    def feed(self, raw: bytes) -> list[str]:
        """The data of every event that `raw` completes.

        Raises:
            ModelMalformedError: An event of more than a megabyte, or bytes that are not UTF-8.
        """
        self._buffer += raw
        if len(self._buffer) > _MAX_EVENT_BYTES:
            raise ModelMalformedError("The provider sent an event of over a megabyte.", fault="oversized_event")
        if not self._started:
            self._buffer = self._buffer.removeprefix(b"\xef\xbb\xbf")
            self._started = bool(self._buffer)
        text = self._buffer
        if text.endswith(b"\r"):  # the other half of a CRLF may follow
            return []
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._buffer = lines.pop()
        return self._take(lines)

    def close(self) -> list[str]:
        """The stream ended: the data of an event whose closing blank line never came."""
        lines = [*self._buffer.rstrip(b"\r").split(b"\n"), b""]
        self._buffer = b""
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[str]:
        events: list[str] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append("\n".join(self._data))
                    self._data = []
            elif line.startswith(b"data:"):
                self._data.append(_decode(line[5:].removeprefix(b" ")))
        return events


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ModelMalformedError("The provider sent bytes that are not UTF-8.", fault="not_utf8") from error
