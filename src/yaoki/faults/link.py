"""What a fault proxy does to the bytes that pass through it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast

from yaoki.errors import ConfigurationSettingError

Event = Literal["reset", "cut", "half_open"]
_COUNTS = ("cut_after", "reset_after", "half_open_after")
_LIMITS = ("bytes_per_s", *_COUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What happens to the bytes of one direction.

    The counts are bytes that one connection has passed on in this direction since it was opened; 0 fires at once, and
    on a connection that is past the count already, too. Of several counts the smallest fires.

    Attributes:
        latency_s: Seconds that every byte is late, 0 and more. What is under way is held in memory, 256 KiB at most.
        jitter_s: Further seconds, drawn anew for every read, between 0 and this. Bytes never overtake each other.
        bytes_per_s: Bandwidth, above 0; None: as fast as it goes.
        corruption: Share of the bytes in which one bit is flipped, 0.0 to 1.0.
        cut_after: Bytes after which both sides see the connection closed in good order; None: never.
        reset_after: Bytes after which both sides see it reset; None: never.
        half_open_after: Bytes after which this direction goes silent: what comes is taken and dropped, the end of the
            stream too; None: never. It stays so until the connection is gone.

    Raises:
        ConfigurationSettingError: A value is out of its range.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    corruption: float = 0.0
    cut_after: int | None = None
    reset_after: int | None = None
    half_open_after: int | None = None

    def __post_init__(self) -> None:
        for known in fields(self):
            value = getattr(self, known.name)
            if not _is_number(value, whole=known.name in _COUNTS) and not (value is None and known.name in _LIMITS):
                raise ConfigurationSettingError(f"{known.name} must be a number of 0 or more, not {value!r}.")
        if self.corruption > 1 or self.bytes_per_s == 0:
            raise ConfigurationSettingError("corruption must be 1 at most, and bytes_per_s above 0.")

    def next_event(self) -> tuple[int, Event] | None:
        """At how many bytes the connection is hit, and by what; None: by nothing."""
        counts: tuple[tuple[int | None, Event], ...] = (
            (self.reset_after, "reset"),
            (self.cut_after, "cut"),
            (self.half_open_after, "half_open"),
        )
        return min(((count, what) for count, what in counts if count is not None), key=lambda one: one[0], default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a proxy does to its connections. The default does nothing.

    Attributes:
        up: From the client to the target.
        down: From the target to the client.
        refuse: New connections are refused; those that are open stay.
        frozen: Nothing moves in either direction, and nothing is read: both sides are held up, and none is told.
        times: How many new connections the lanes and `frozen` hit before the proxy is healthy again, 1 and more; those
            that are open then go on as they began. None: every connection, open ones too.

    Raises:
        ConfigurationSettingError: `times` is out of its range.
    """

    up: Lane = field(default_factory=Lane)
    down: Lane = field(default_factory=Lane)
    refuse: bool = False
    frozen: bool = False
    times: int | None = None

    def __post_init__(self) -> None:
        if self.times is not None and not (_is_number(self.times, whole=True) and self.times > 0):
            raise ConfigurationSettingError(f"times must be 1 or more, not {self.times!r}.")
        if not (isinstance(cast("object", self.refuse), bool) and isinstance(cast("object", self.frozen), bool)):
            raise ConfigurationSettingError("refuse and frozen must be true or false.")


def link_from(body: Mapping[str, Any]) -> Link:
    """A link from JSON values, for example `{"down": {"cut_after": 4000}, "times": 1}`.

    Raises:
        ConfigurationSettingError: A field that no link has, or a value out of its range.
    """
    _check_names("link", Link, body)
    lanes: dict[str, Any] = {}
    for name in ("up", "down"):
        lane = body.get(name, {})
        if not isinstance(lane, dict):
            raise ConfigurationSettingError(f"{name} must be an object.")
        values = cast("dict[str, Any]", lane)
        _check_names("lane", Lane, values)
        lanes[name] = Lane(**values)
    return Link(**{**dict(body), **lanes})


def _check_names(what: str, cls: type[Lane] | type[Link], values: Mapping[str, Any]) -> None:
    known = {one.name for one in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigurationSettingError(f"A {what} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}.")


def _is_number(value: object, *, whole: bool = False) -> bool:
    kinds = int if whole else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and 0 <= value < float("inf")


HEALTHY = Link()
"""Passes everything on as it comes."""
