"""The base URL's way to the answers that were given before: whose they are, and when one may be used."""

from dataclasses import dataclass
from typing import Any

from yaoki.api.openai_refusals import callers_refusal
from yaoki.api.openai_request import Asked
from yaoki.api.openai_told import Told
from yaoki.api.openai_wishes import Wishes
from yaoki.errors import ModelAllFailedError
from yaoki.llm.answer_cache import AnswerCache, CachedAnswer
from yaoki.llm.chain import Chain

_MOST_BYTES = 200_000
"""Requests larger than this are not looked for: their key would cost more than all the rest of a healthy answer."""
_BESIDE = frozenset({"model", "stream", "stream_options", "user", "metadata", "store", "safety_identifier"})
"""Fields that say nothing about the answer."""
_FACE = "/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAnswers:
    """The cache as one request of one owner sees it.

    Args:
        chain: Whose models' answer it would be.
        wishes: What the client wants of us.
    """

    cache: AnswerCache
    owner: str
    chain: Chain
    asked: Asked
    wishes: Wishes

    def find(self, failed: ModelAllFailedError) -> CachedAnswer | None:
        """The answer to the same request, if there is one, and this is no request that every model refuses."""
        if not self.wishes.earlier or not self._is_plain() or callers_refusal(failed) is not None:
            return None
        key = self._key()
        return self.cache.get(key) if key is not None else None

    def keep(self, told: Told) -> None:
        """Keep an answer that is whole, and nothing but words."""
        whole = told.finish == "stop" and told.cached is None and not told.left_out
        if whole and self.wishes.kept and not told.calls and "refusal" not in told.beside and self._is_plain():
            key = self._key()
            if key is not None:
                self.cache.put(key, "".join(told.text), told.models[-1])

    def _is_plain(self) -> bool:
        """Whether an answer to this is more than words: what a tool does cannot be given again."""
        if not self.cache.enabled or self.asked.size > _MOST_BYTES or self.asked.body.get("tools"):
            return False
        return not any(m["role"] == "tool" or m.get("tool_calls") for m in self.asked.body["messages"])

    def _key(self) -> bytes | None:
        """What the answer is kept under; None for JSON that is too deep to be written down again."""
        parameters: dict[str, Any] = {k: v for k, v in self.asked.body.items() if k not in _BESIDE}
        names = [candidate.name for candidate in self.chain.candidates]
        try:
            return self.cache.key(self.owner, _FACE, names, [parameters])
        except RecursionError:
            return None
