"""What the chain has said about one answer, and how a client is told."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote

from yaoki.llm.answer_cache import CachedAnswer
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.deltas import (
    Compaction,
    Continuation,
    Failover,
    Finish,
    FinishReason,
    Item,
    Reasoning,
    Restart,
    Text,
    ToolCall,
    Usage,
)

_HEADER_SAFE = " !#$&'()*+,/:;=?@[]~"


@dataclass(slots=True)
class Told:
    """What stands of one answer, and how it came about.

    Attributes:
        budget: Knows what it took.
        text: What stands, all attempts together.
        beside: What came beside the text, by the field it came in.
        models: Who wrote the answer, in order.
        usages: Of those attempts of which something stands.
        left_out: So many of the oldest turns no model was told of.
        cached: It was given before.
    """

    budget: TurnBudget
    text: list[str] = field(default_factory=list[str])
    beside: dict[str, str] = field(default_factory=dict[str, str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    models: list[str] = field(default_factory=list[str])
    failovers: list[Failover] = field(default_factory=list[Failover])
    usages: list[Usage] = field(default_factory=list[Usage])
    continued: int = 0
    restarted: int = 0
    left_out: int = 0
    finish: FinishReason | None = None
    cached: CachedAnswer | None = None
    _stands: bool = False

    def take(self, item: Item) -> None:
        """Take an item of the chain."""
        match item:
            case Text():
                self.text.append(item.text)
                self._wrote(item.model)
            case Reasoning():
                name = item.details if isinstance(item.details, str) else "reasoning_content"
                self.beside[name] = self.beside.get(name, "") + item.text
            case ToolCall():
                self.calls.append(item)
            case Usage():
                self._count(item)
            case Finish():
                self.finish = item.reason
                self._wrote(item.model)
            case Failover():
                self.failovers.append(item)
                self.beside.clear()
            case Continuation():
                self.continued += 1
            case Restart():
                self._start_over()
            case Compaction():
                self.left_out = item.left_out
            case _:
                pass

    def take_cached(self, answer: CachedAnswer) -> None:
        """No model could answer: what stands is what was told to the same question before."""
        self._start_over()
        self.restarted -= 1
        self.beside.clear()
        self.cached = answer
        self.text, self.models, self.finish = [answer.text], [answer.model], "stop"
        self.usages = [Usage(0, 0)]

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is known so far, as headers."""
        models = ", ".join(map(_quoted, self.models)).encode()
        return [
            *([(b"x-yaoki-model", models)] if models else ()),
            (b"x-yaoki-failovers", b"%d" % len(self.failovers)),
            (b"x-yaoki-continued", b"%d" % self.continued),
            (b"x-yaoki-cached", b"true" if self.cached else b"false"),
            *([(b"age", b"%d" % self.cached.age_s)] if self.cached else ()),
            *([(b"x-yaoki-left-out", b"%d" % self.left_out)] if self.left_out else ()),
        ]

    def story(self) -> dict[str, Any]:
        """The same for the last chunk, and for a whole answer's body."""
        return {
            "models": self.models,
            "failovers": [
                {"from": one.from_model, "to": one.to_model, "kind": one.kind, "at_char": one.at_char}
                for one in self.failovers
            ],
            "continued": self.continued,
            "restarted": self.restarted,
            "left_out": self.left_out,
            "cached": self.cached is not None,
            **({"cached_age_s": round(self.cached.age_s, 1)} if self.cached else {}),
            "usage_estimated": any(usage.estimated for usage in self.usages),
            "spending": self.budget.usage(),
        }

    def counts(self) -> dict[str, Any] | None:
        """Token counts in OpenAI's words: the question once, and all that stands of the answer; None if nobody knows.

        What one model counted keeps its own words; where several wrote, their details do not add up to anything.
        """
        if not self.usages:
            return None
        own = mapping(self.usages[0].details) if len(self.usages) == 1 else {}
        asked, said = self.usages[0].input_tokens, sum(usage.output_tokens for usage in self.usages)
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said, **own}

    def reason(self) -> str | None:
        """The finish reason, as OpenAI would give it."""
        return "tool_calls" if self.calls and self.finish == "stop" else self.finish

    def _count(self, usage: Usage) -> None:
        """Take an attempt's usage in; one that left nothing behind is no part of the answer's."""
        if not self._stands:
            self.usages.clear()
        self.usages.append(usage)
        self._stands = bool(self.text or self.calls)

    def _start_over(self) -> None:
        self.restarted += 1
        self.text.clear()
        self.models.clear()
        self.usages.clear()
        self._stands = False

    def _wrote(self, model: str) -> None:
        if model and (not self.models or self.models[-1] != model):
            self.models.append(model)


@lru_cache(maxsize=64)
def _quoted(name: str) -> str:
    return quote(name, safe=_HEADER_SAFE)


def mapping(details: object) -> dict[str, Any]:
    """A dictionary as it is; anything else as an empty one."""
    return cast("dict[str, Any]", details) if isinstance(details, dict) else {}
