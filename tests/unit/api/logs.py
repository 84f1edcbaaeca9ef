"""Random logs that a runner could have written."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from yaoki.store.events import (
    AnsweredFromCache,
    Continued,
    Degraded,
    DomainEvent,
    FailedOver,
    Guidance,
    GuidanceGiven,
    RecoveryTaken,
    Reset,
    Stored,
    TextDelta,
    TurnAccepted,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_OUTCOMES = ("completed", "degraded", "cached", "output_limit", "filtered", "cancelled", "failed", "parked")
_TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
_MODELS = st.sampled_from(["one", "two", ""])


def stored(events: list[DomainEvent]) -> list[Stored]:
    return [Stored(seq=seq, at=_AT, event=event) for seq, event in enumerate(events, 1)]


def _marks(turn: str) -> st.SearchStrategy[DomainEvent]:
    guidance = Guidance(state="slow", reason="the store is slow", action="wait", retry_after_s=1.0)
    return st.sampled_from(
        [
            FailedOver(
                turn=turn, from_model="one", to_model="two", kind="model.timeout", phase="mid_stream", at_char=1
            ),
            Continued(turn=turn, model="two", mode="prefill", rolled_back_chars=2),
            TurnResumed(turn=turn, reason="the process had gone"),
            Degraded(turn=turn, kind="model.all_failed", reason="every model failed"),
            AnsweredFromCache(turn=turn, age_s=2.5),
            RecoveryTaken(turn=turn, strategy="compact_context", reason="too long"),
            GuidanceGiven(turn=turn, guidance=guidance),
        ]
    )


def _deltas(turn: str) -> st.SearchStrategy[DomainEvent]:
    messages = st.sampled_from([f"{turn}-a", f"{turn}-b"])
    return st.builds(TextDelta, turn=st.just(turn), message=messages, text=_TEXTS, model=_MODELS)


def _resets(turn: str) -> st.SearchStrategy[DomainEvent]:
    return st.builds(Reset, turn=st.just(turn), message=st.just(f"{turn}-b"), reason=st.just("the seam was refused"))


@st.composite
def logs(draw: st.DrawFn) -> list[Stored]:
    """A few turns in line; messages may be accepted while another turn runs, and the last turn may still be open."""
    events: list[DomainEvent] = []
    turns = draw(st.integers(1, 4))
    accepted = 0
    for index in range(turns):
        turn = f"t{index}"
        for ahead in range(accepted, draw(st.integers(max(accepted, index + 1), turns))):
            events.append(TurnAccepted(turn=f"t{ahead}", message=f"u{ahead}", content=f"question {ahead}"))
            accepted = ahead + 1
        events.append(TurnStarted(turn=turn, agent="default"))
        events += _in_order(draw(st.lists(_deltas(turn) | _deltas(turn) | _marks(turn) | _resets(turn), max_size=8)))
        if index < turns - 1 or draw(st.booleans()):
            outcome = draw(st.sampled_from(_OUTCOMES))
            events.append(
                TurnEnded(turn=turn, outcome=outcome, kind=None if outcome == "completed" else "model.timeout")
            )
    return stored(events)


def _in_order(events: list[DomainEvent]) -> list[DomainEvent]:
    """A turn writes its second message after its first; only the one being written is reset."""
    first = [e for e in events if not (isinstance(e, TextDelta | Reset) and e.message.endswith("-b"))]
    return first + [e for e in events if e not in first]
