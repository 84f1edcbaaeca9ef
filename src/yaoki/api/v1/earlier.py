"""The base URL's way to the answers that were given before: whose they are, and when one may be used."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from yaoki.api.v1.refusals import callers_refusal
from yaoki.api.v1.request import Asked
from yaoki.api.v1.told import Told
from yaoki.api.v1.wishes import Wishes
from yaoki.errors import ModelAllFailedError
from yaoki.llm.answer_cache import AnswerCache, CachedAnswer
from yaoki.llm.chain.chain import Chain

_MOST_BYTES = 65_536
"""Requests larger than this are not looked for: with each answer its request is held, until somebody looks."""
_BESIDE = frozenset({"model", "stream", "stream_options", "user", "metadata", "store", "safety_identifier"})
"""Fields that say nothing about the answer."""
_FACE = "/v1"


class EarlierAnswers:
    """The cache as one request of one owner sees it.

    Args:
        chain: Whose models' answer it would be.
        wishes: What the client wants of us.
    """

    __slots__ = ("_asked", "_cache", "_chain", "_owner", "_wishes")

    def __init__(self, cache: AnswerCache, owner: str, chain: Chain, asked: Asked, wishes: Wishes) -> None:
        self._cache = cache
        self._owner = owner
        self._chain = chain
        self._asked = asked
        self._wishes = wishes

    def find(self, failed: ModelAllFailedError) -> CachedAnswer | None:
        """The answer to the same request, if there is one, and this is no request that every model refuses."""
        if not self._wishes.earlier or not self._is_plain() or callers_refusal(failed) is not None:
            return None
        key = self._keyed()()
        return self._cache.get(key) if key is not None else None

    def keep(self, told: Told) -> None:
        """Keep an answer that is whole, and nothing but words."""
        whole = told.finish == "stop" and told.cached is None and not told.left_out
        if whole and self._wishes.kept and not told.calls and "refusal" not in told.beside and self._is_plain():
            self._cache.put_unkeyed(self._keyed(), "".join(told.text), told.models[-1])

    def _is_plain(self) -> bool:
        """Whether an answer to this is more than words: what a tool does cannot be given again."""
        asked = self._asked
        if not self._cache.enabled or len(asked.raw) > _MOST_BYTES or asked.body.get("tools"):
            return False
        return not any(m["role"] == "tool" or m.get("tool_calls") for m in asked.body["messages"])

    def _keyed(self) -> Callable[[], bytes | None]:
        """What makes the key, holding no more than it needs for as long as nobody looks for the answer."""
        names = tuple(candidate.name for candidate in self._chain.candidates)
        return partial(_key, self._cache, self._owner, names, self._asked.raw)


def _key(cache: AnswerCache, owner: str, names: Sequence[str], raw: bytes) -> bytes | None:
    """What an answer is kept under; None for JSON that is too deep to be written down again."""
    try:
        parameters: dict[str, Any] = {k: v for k, v in json.loads(raw).items() if k not in _BESIDE}
        return cache.key(owner, _FACE, names, [parameters])
    except RecursionError:
        return None
