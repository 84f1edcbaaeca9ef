"""Writes log lines from a thread of its own.

A pipe that is not read, a paused terminal (Ctrl-S) or a slow disk blocks the thread that writes to it. If that were the
event loop's, every conversation would stop for a log line.
"""

import atexit
import logging
import queue
import threading
from contextlib import suppress
from typing import TextIO

MAX_WAITING = 1_000
"""Lines that wait for a slow reader at most; further ones are dropped, and counted."""
_LAST_LINES_S = 1.0
"""Seconds that the last lines get at the end of the process."""


class LogWriter(logging.Handler):
    """A handler that never waits for its stream."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="yaoki-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        line = self.format(record)
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, as far as somebody takes it; more than once does no harm."""
        super().close()
        atexit.unregister(self.close)
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_LAST_LINES_S)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line = f"({dropped} lines are missing here: nobody took them in time)\n{line}"
            with suppress(OSError, ValueError):  # nobody reads any more; the server goes on
                self._stream.write(line + "\n")
                self._stream.flush()
