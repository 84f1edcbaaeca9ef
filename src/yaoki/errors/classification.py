"""`classify`: our name for somebody else's exception, by type, status and code; never by wording.

one of ours, also as a cause   -> itself
a code it carries              -> the most exact
a type that judged more        -> next
an HTTP status                 -> next
its type, along the MRO        -> next; a wrapper asks its cause first
its explicit cause             -> last
anything else                  -> None: what nobody knows is not given a name
"""

import errno
from collections.abc import Iterator, Mapping
from typing import Any, cast

from yaoki.errors.categories import AIErrorCategory
from yaoki.errors.foreign import (
    CODES_OF,
    FAMILY_BY_PACKAGE,
    JUDGED,
    NATURE_BY_CODE,
    NATURE_BY_ERRNO_NAME,
    NATURE_BY_STATUS,
    NATURE_BY_TYPE,
    WRAPPERS,
)
from yaoki.errors.kinds import KINDS, Kind
from yaoki.errors.natures import KIND_BY_FAMILY, Nature
from yaoki.errors.retry_after import retry_after_of
from yaoki.errors.root import CLASS_OF, AIOrchestrationError

_MAX_DEPTH = 8
_SQLSTATE_CHARS = 5


def register(rows: Mapping[str, Nature], *, family: AIErrorCategory | None = None) -> None:
    """Teach `classify` the exceptions of a library. Its adapter does that with its first import.

    Args:
        rows: Nature by name; a name is the top package and the class, for example `redis.BusyLoadingError`.
        family: What is called through these libraries, if that is always the same.
    """
    NATURE_BY_TYPE.update(rows)
    if family is not None:
        FAMILY_BY_PACKAGE.update({name.partition(".")[0]: family.value for name in rows})


def classify(error: BaseException, family: AIErrorCategory | None = None) -> AIOrchestrationError | None:
    """Our error for a foreign exception.

    Args:
        error: What was caught. One of ours is returned as it is.
        family: Who was called; without it the exception's library decides, and `communication` where it cannot.

    Returns:
        An error whose cause is `error`, with the facts `foreign` (its type), `status` of the answer as
        `foreign_status`, and `retry_after_s` where the other side said so; or None if nobody knows this exception
        (a bug, a cancellation).

    Example:
        >>> classify(ConnectionRefusedError()).kind
        'communication.unavailable'
        >>> classify(ConnectionRefusedError(), AIErrorCategory.MODEL).kind
        'model.unavailable'
        >>> classify(KeyError("typo")) is None
        True
    """
    ours = _ours(error)
    if ours is not None:
        return ours
    nature = nature_of(error)
    if nature is None:
        return None
    facts: dict[str, Any] = {"foreign": f"{type(error).__module__}.{type(error).__qualname__}"}
    status = next(filter(None, map(_status, _chain(error))), None)
    if status is not None:
        facts["foreign_status"] = status
    kind = KIND_BY_FAMILY[_family(error, family)][nature]
    what = f"answered {status}" if status else f"failed with {type(error).__name__}"
    renamed = CLASS_OF[kind](f"What was called {what}.", retry_after_s=_retry_after(error), **facts)
    renamed.__cause__ = error
    return renamed


def kind_of(error: BaseException, family: AIErrorCategory | None = None) -> Kind | None:
    """The row of the kind table for any exception, ours or foreign; None if nobody knows it."""
    ours = _ours(error)
    if ours is not None:
        return ours.row
    nature = nature_of(error)
    return None if nature is None else KINDS[KIND_BY_FAMILY[_family(error, family)][nature]]


def nature_of(error: BaseException, depth: int = _MAX_DEPTH) -> Nature | None:
    """What is wrong with the other side, or None if that cannot be told from this exception."""
    if depth == 0 or not isinstance(error, Exception):
        return None
    if isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        return next(filter(None, (nature_of(inner, depth - 1) for inner in group.exceptions)), None)
    names = _names(error)
    judged = next((JUDGED[name] for name in names if name in JUDGED), None)
    by_answer = _nature_by_code(error) or judged or _nature_by_status(error)
    if by_answer:
        return by_answer
    cause = error.__cause__ or (error.__context__ if not WRAPPERS.isdisjoint(names) else None)
    if cause is not None and not WRAPPERS.isdisjoint(names):
        inner = nature_of(cause, depth - 1)
        if inner:
            return inner
    by_type = next((NATURE_BY_TYPE[name] for name in names if name in NATURE_BY_TYPE), None)
    if by_type is None and isinstance(error, OSError):
        by_type = NATURE_BY_ERRNO_NAME.get(errno.errorcode.get(error.errno or 0, ""))
    if by_type is None and cause is not None:
        return nature_of(cause, depth - 1)
    return by_type


def _names(error: BaseException) -> list[str]:
    return [f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(error).__mro__]


def _chain(error: BaseException) -> Iterator[BaseException]:
    step: BaseException | None = error
    for _ in range(_MAX_DEPTH):
        if step is None:
            return
        yield step
        step = step.__cause__ or step.__context__


def _ours(error: BaseException) -> AIOrchestrationError | None:
    """The deepest of our own errors: the SDKs wrap what our transports raise."""
    found = error if isinstance(error, AIOrchestrationError) else None
    step: BaseException | None = error
    for _ in range(_MAX_DEPTH):
        if step is None or found is error:
            break
        step = step.__cause__ or (None if WRAPPERS.isdisjoint(_names(step)) else step.__context__)
        if isinstance(step, AIOrchestrationError):
            found = step
    return found


def _family(error: BaseException, family: AIErrorCategory | None) -> AIErrorCategory:
    if family is not None:
        return family if family in KIND_BY_FAMILY else AIErrorCategory.COMMUNICATION
    for name in _names(error):
        known = FAMILY_BY_PACKAGE.get(name.partition(".")[0])
        if known:
            return AIErrorCategory(known)
    return AIErrorCategory.COMMUNICATION


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    for value in (getattr(error, "status_code", None), getattr(error, "status", None), _attribute(response)):
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
            return value
    return None


def _attribute(response: object) -> object:
    return getattr(response, "status_code", None)


def _nature_by_status(error: BaseException) -> Nature | None:
    status = _status(error)
    if status is None:
        return None
    return NATURE_BY_STATUS.get(status, Nature.REJECTED if status < 500 else Nature.UNAVAILABLE)


def _nature_by_code(error: BaseException) -> Nature | None:
    return next((NATURE_BY_CODE[code] for code in _codes(error) if code in NATURE_BY_CODE), None)


def _codes(error: BaseException) -> Iterator[str]:
    """Every machine-readable word that an exception carries about what went wrong."""
    if not CODES_OF.isdisjoint(name.partition(".")[0] for name in _names(error)):
        for name in ("code", "type"):
            value = getattr(error, name, None)
            if isinstance(value, (str, int)):
                yield str(value)
    for name in ("provider_error_code", "provider_error_type"):  # pydantic-ai's
        value = getattr(error, name, None)
        if isinstance(value, str):
            yield value
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        facts = cast("dict[str, Any]", body)
        inner = facts.get("error")
        facts = cast("dict[str, Any]", inner) if isinstance(inner, dict) else facts
        yield from (str(facts[name]) for name in ("code", "type") if name in facts)
    original = getattr(error, "orig", None)  # SQLAlchemy keeps the driver's own exception here
    for source in (error, original):
        sqlite_name = getattr(source, "sqlite_errorname", None)
        if isinstance(sqlite_name, str):
            yield sqlite_name
            yield "_".join(sqlite_name.split("_")[:2])  # SQLITE_IOERR_WRITE is an SQLITE_IOERR
        sqlstate = getattr(source, "sqlstate", None)
        if isinstance(sqlstate, str) and len(sqlstate) == _SQLSTATE_CHARS:
            yield f"sqlstate {sqlstate[:2]}"


def _retry_after(error: BaseException) -> float | None:
    return next((seconds for seconds in map(retry_after_of, _chain(error)) if seconds is not None), None)
