"""A wall clock that jumps under a running server, by libfaketime; the monotonic clock goes on as it is."""

from pathlib import Path

_LIBRARY = "libfaketimeMT.so.1"


class WallClock:
    """What a server that runs under `environment` takes for the time of day.

    Args:
        file: Holds the offset; the library looks at it every time.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_RESET": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Jump to so far from the real time, for example `+1h`, `-1h`, `+365d`, `+0`."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._file)


def _library() -> Path:
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{_LIBRARY}"))
    assert found, "Debian's package faketime is missing"
    return found[0]
