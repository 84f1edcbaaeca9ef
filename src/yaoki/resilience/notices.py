"""Notices: facts that lower layers state and higher layers subscribe to.

A notice is any object; its type is its topic. Nobody below knows who listens, and nothing is built for nobody: ask
`wants` before building a notice on a hot path.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

N = TypeVar("N")

_log = logging.getLogger(__name__)


class Notices:
    """Delivers notices to listeners at once, in the order of their subscription, on the publisher's own thread."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: dict[type[Any], tuple[Callable[[Any], None], ...]] = {}

    def subscribe(self, kind: type[N], listener: Callable[[N], None]) -> Callable[[], None]:
        """Call `listener` with every notice of exactly this type.

        Returns:
            A function that ends the subscription; calling it again does nothing.
        """
        self._listeners[kind] = (*self._listeners.get(kind, ()), listener)

        def unsubscribe() -> None:
            left = tuple(known for known in self._listeners.get(kind, ()) if known is not listener)
            if left:
                self._listeners[kind] = left
            else:
                self._listeners.pop(kind, None)

        return unsubscribe

    def wants(self, kind: type[Any]) -> bool:
        """Whether anybody listens to notices of this type."""
        return kind in self._listeners

    def publish(self, notice: object) -> None:
        """Tell every listener. A listener that raises is logged and does not disturb the publisher or the others."""
        for listener in self._listeners.get(type(notice), ()):
            try:
                listener(notice)
            except Exception:  # noqa: BLE001 - a listener's fault must not reach what it listens to
                _log.exception("A listener of %s failed.", type(notice).__name__)
