"""Answers that were given before, for the time when no model can be reached. Bounded, in memory, never shared.

An answer belongs to one owner, one agent, one chain and one conversation, word for word: all of them are in the key, so
nobody ever gets what somebody else was told.
"""

import hashlib
import json
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from yaoki.errors import ConfigurationSettingError
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

MAX_CHARS = 100_000
"""A longer answer is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """How much is kept, and for how long.

    Attributes:
        ttl_s: Seconds that an answer may be old, above 0.
        max_entries: Answers at once; the one that was not used for longest goes first; 0: none.
    """

    ttl_s: float = 86_400.0
    max_entries: int = 1_000

    def __post_init__(self) -> None:
        if self.ttl_s <= 0 or self.max_entries < 0:
            raise ConfigurationSettingError("A cache needs a time to live above 0, and no fewer than 0 entries.")


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer, who wrote it, and how many seconds ago."""

    text: str
    model: str
    age_s: float


class AnswerCache:
    """See the module. Safe within one event loop.

    Example:
        >>> cache = AnswerCache()
        >>> key = cache.key("ann", "default", ["gpt"], [("user", "How many ships?")])
        >>> cache.put(key, "Seven.", "gpt")
        >>> cache.get(key).text
        'Seven.'
        >>> cache.get(cache.key("bob", "default", ["gpt"], [("user", "How many ships?")])) is None
        True
    """

    def __init__(self, policy: CachePolicy | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._policy = policy or CachePolicy()
        self._clock = clock
        self._answers: OrderedDict[bytes, tuple[str, str, float]] = OrderedDict()
        self._unkeyed: deque[tuple[Callable[[], bytes | None], str, str, float]] = deque(
            maxlen=self._policy.max_entries
        )

    def __len__(self) -> int:
        return len(self._answers) + len(self._unkeyed)

    @property
    def enabled(self) -> bool:
        """Whether anything is ever kept."""
        return self._policy.max_entries > 0

    def key(self, owner: str, agent: str, chain: Sequence[str], conversation: Sequence[Any]) -> bytes:
        """The key of an answer; everything in it must be JSON."""
        told = json.dumps([owner, agent, list(chain), list(conversation)], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()

    def put(self, key: bytes, text: str, model: str) -> None:
        """Keep an answer; the newest one counts."""
        if self._keeps(text):
            self._insert(key, text, model, self._clock.monotonic())

    def put_unkeyed(self, key: Callable[[], bytes | None], text: str, model: str) -> None:
        """Keep an answer whose key is made when somebody looks for one: most answers are never looked for.

        Args:
            key: Makes it; None: the answer cannot be kept.
        """
        if self._keeps(text):
            self._unkeyed.append((key, text, model, self._clock.monotonic()))

    def get(self, key: bytes) -> CachedAnswer | None:
        """The answer of this key, unless it is too old."""
        while self._unkeyed:
            makes_key, text, model, at = self._unkeyed.popleft()
            if (its_key := makes_key()) is not None:
                self._insert(its_key, text, model, at)
        kept = self._answers.get(key)
        if kept is None:
            return None
        text, model, at = kept
        age_s = self._clock.monotonic() - at
        if age_s > self._policy.ttl_s:
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        return CachedAnswer(text, model, age_s)

    def _keeps(self, text: str) -> bool:
        return self.enabled and bool(text) and not text.isspace() and len(text) <= MAX_CHARS

    def _insert(self, key: bytes, text: str, model: str, at: float) -> None:
        self._answers[key] = (text, model, at)
        self._answers.move_to_end(key)
        while len(self._answers) > self._policy.max_entries:
            self._answers.popitem(last=False)
