"""How long the other side asks us to wait."""

from collections.abc import Mapping
from typing import Any, cast


def retry_after_of(error: BaseException) -> float | None:
    """Seconds from an exception's `retry_after`, or from the headers that it or its response carries."""
    said = getattr(error, "retry_after", None)
    if isinstance(said, (int, float)) and not isinstance(said, bool):
        return max(0.0, float(said))
    headers = getattr(error, "headers", None) or getattr(getattr(error, "response", None), "headers", None)
    return parse_retry_after(cast("Mapping[str, Any]", headers)) if hasattr(headers, "get") else None


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a `Retry-After` (or `retry-after-ms`) header; None if there is none, or none that can be read.

    A date counts from the answer's own `Date` header, so neither clock needs to be right.

    Example:
        >>> parse_retry_after({"retry-after": "2.5"})
        2.5
        >>> date = "Mon, 02 Nov 2026 10:00:"
        >>> parse_retry_after({"retry-after": date + "30 GMT", "date": date + "00 GMT"})
        30.0
    """
    milliseconds = _number(_header(headers, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = _header(headers, "retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    return _between(_header(headers, "date"), value)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name) or headers.get(name.title())
    return value if isinstance(value, str) else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _between(start: str | None, end: str) -> float | None:
    if start is None:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - costs 10 ms, and hardly anybody sends a date

    try:
        return max(0.0, (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds())
    except (TypeError, ValueError):
        return None
