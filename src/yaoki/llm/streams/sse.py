"""The server-sent events grammar, fed with bytes as they come off a socket."""

from yaoki.errors import ModelInferenceError, ModelMalformedError, ModelUnavailableError

MAX_EVENT_BYTES = 1_000_000
_BOM = b"\xef\xbb\xbf"


class SseParser:
    r"""Turns bytes into the data of whole events.

    CR, LF and CRLF end a line; several `data:` lines make one event; comments and other fields carry no data; a
    character or a line ending may be split between two feeds.

    Attributes:
        fault: What is wrong with what follows the events that were handed out; nothing more is read then.
        strange: A line came that the grammar knows, but no event stream has: no comment and none of the four fields.

    Example:
        >>> parser = SseParser()
        >>> parser.feed(b": hello\n\ndata: 1\rdata: 2\r\n\r")
        ['1\n2']
    """

    __slots__ = ("_after_cr", "_buffer", "_data", "_failed", "_size", "_started", "fault", "strange")

    def __init__(self) -> None:
        self._buffer: bytes = b""
        self._data: list[bytes] = []
        self._size = 0
        self._started = False
        self._after_cr = False
        self._failed = False
        self.fault: ModelInferenceError | None = None
        self.strange = False

    def feed(self, raw: bytes) -> list[str]:
        """The data of every event that `raw` completes, up to a `fault`.

        That is an event of more than a megabyte, bytes that are not UTF-8, or the end of an event that is named
        `error`, whose data is handed out still.
        """
        if self._after_cr and raw:
            raw = raw.removeprefix(b"\n")
            self._after_cr = False
        text = self._buffer + raw
        if not self._started:
            if _BOM.startswith(text[:3]) and len(text) < len(_BOM):
                self._buffer = text
                return []
            text = text.removeprefix(_BOM)
            self._started = True
        if b"\r" in raw:
            self._after_cr = text.endswith(b"\r")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events = None if self._data or self.fault is not None else _plain_events(text)
        if events is not None:
            self._buffer = b""
            return events
        lines = text.split(b"\n")
        self._buffer = lines.pop()
        return self._take(lines)

    def close(self) -> list[str]:
        """The stream ended: the data of an event whose closing blank line never came; else as `feed`."""
        lines, self._buffer = [self._buffer, b""], b""
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[str]:
        events: list[str] = []
        try:
            for line in lines if self.fault is None else ():
                self._read(line, events)
            self._refuse_without_end(len(self._buffer))
        except ModelInferenceError as fault:
            self.fault = fault
        return events

    def _read(self, line: bytes, events: list[str]) -> None:
        if not line:
            if self._data:
                data, self._data, self._size = self._data, [], 0
                events.append(_decode(b"\n".join(data)))
            if self._failed:
                raise ModelUnavailableError("The provider sent an event named error.", fault="error_event")
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
            self._refuse_without_end()
        elif field == b"event":
            self._failed = value.strip() == b"error"
        elif field not in (b"", b"id", b"retry"):
            self.strange = True

    def _refuse_without_end(self, more: int = 0) -> None:
        if self._size + more > MAX_EVENT_BYTES:
            raise ModelMalformedError("The provider sent an event of over a megabyte.", fault="oversized_event")


def _plain_events(text: bytes) -> list[str] | None:
    """The events, if there are only whole ones, of a single `data: ` line each, as there are as a rule; else None."""
    if len(text) > MAX_EVENT_BYTES or not text.endswith(b"\n\n"):
        return None
    try:
        blocks = text[:-2].decode().split("\n\n")
    except UnicodeDecodeError:
        return None
    events = [block[6:] for block in blocks if block.startswith("data: ") and "\n" not in block]
    return events if len(events) == len(blocks) else None


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ModelMalformedError("The provider sent bytes that are not UTF-8.", fault="not_utf8") from error
