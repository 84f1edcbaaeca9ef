"""What a client of the base URL may ask of us by headers; its body is the provider's business."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a client wants to be helped.

    Attributes:
        earlier: An answer that was given before may stand in when every model is down; not under `cache-control:
            no-cache` or `no-store`.
        kept: Its own answer may be kept for that; not under `no-store`.
        shortened: The oldest turns may be left out where no window holds all; not under `x-yaoki-compaction: off`.
    """

    earlier: bool = True
    kept: bool = True
    shortened: bool = True


_NONE = Wishes()


def wishes_of(headers: Iterable[tuple[bytes, bytes]]) -> Wishes:
    """The wishes in a request's headers.

    Example:
        >>> wishes_of([(b"cache-control", b"max-age=0, No-Store")])
        Wishes(earlier=False, kept=False, shortened=True)
    """
    said = {name: value.lower() for name, value in headers if name in (b"cache-control", b"x-yaoki-compaction")}
    if not said:
        return _NONE
    cache = said.get(b"cache-control", b"")
    return Wishes(
        earlier=not (b"no-cache" in cache or b"no-store" in cache),
        kept=b"no-store" not in cache,
        shortened=said.get(b"x-yaoki-compaction", b"").strip() != b"off",
    )
