"""What the demo's scoreboard says, computed from what each client was given. Pure: transcripts in, figures out."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_REPEATED_CHARS = 12
"""A shorter repetition around a seam may be meant ("again and again")."""
_LONGEST_REPETITION = 400
_LAST_WORD = re.compile(r"\s*\S*$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the answer, and when it was shown: monotonic seconds."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What one client was given for one question.

    Attributes:
        pieces: The answer as it was shown, in order. What was declared void on the way is not among them.
        ends: How it ended, as the client was told; one entry for each end that came.
        finished: A model's own word that it has said everything came along. Half an answer has none.
        claims_success: The client was told that this is the answer, by a normal return or a completed turn.
        voided_chars: Characters that were shown and then declared void.
        record: The answer as it can be read again afterwards; None where nobody keeps it.
        told: The end, word for word: what a call returned or raised, or the terminal event.
    """

    pieces: Sequence[Piece]
    ends: Sequence[str]
    finished: bool
    claims_success: bool
    voided_chars: int = 0
    record: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def text(self) -> str:
        """The answer as it stands in the end."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One transcript, judged against what had been said when the fault came.

    Attributes:
        claims_success: It passes for an answer.
        whole: It is one: a model finished it, it goes on past the fault, nothing is lost, and the record says the same.
        chars: Characters of the answer.
        missing_chars: How many more the answer had; None where nobody knows how it would have gone on.
        lost_chars: Characters that were there before the fault and are not in the answer.
        repeated_chars: Characters that are there twice around the fault.
        pause_s: The longest silence between two pieces, seconds; None if nothing came after the fault.
        ends: How it ended, once or more.
    """

    claims_success: bool
    whole: bool
    chars: int
    missing_chars: int | None
    lost_chars: int
    repeated_chars: int
    pause_s: float | None
    ends: tuple[str, ...]

    @property
    def half_sold_as_whole(self) -> bool:
        """Half an answer, called a success."""
        return self.claims_success and not self.whole

    @property
    def survived(self) -> bool:
        """A whole answer, called one, in one piece and with one end."""
        return self.claims_success and self.whole and not self.repeated_chars and len(self.ends) == 1


def score(transcript: Transcript, half: str, *, whole: str | None = None) -> Score:
    """Judge a transcript.

    Args:
        half: What had been said when the fault came. Its last word may have been cut, and need not be in the answer.
        whole: The whole answer, where it is known because the same words are played to everybody: an answer that ends
            within it is measured against it.
    """
    text = transcript.text
    kept = len(_LAST_WORD.sub("", half))
    seam = _common(text, half)
    lost = max(0, kept - seam) + transcript.voided_chars
    goes_on = len(text) > len(half) or text == whole
    same = transcript.record in (None, text)
    return Score(
        claims_success=transcript.claims_success,
        whole=transcript.finished and goes_on and not lost and same,
        chars=len(text),
        missing_chars=len(whole) - len(text) if whole is not None and whole.startswith(text) else None,
        lost_chars=lost,
        repeated_chars=max((_repeated(text, at) for at in range(kept, seam + 1)), default=0),
        pause_s=_pause_s(transcript.pieces) if len(text) > len(half) else None,
        ends=tuple(transcript.ends),
    )


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common, from their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _repeated(text: str, at: int) -> int:
    """How many characters after `at` only say again what stands before it."""
    before, after = text[:at].rstrip(), text[at:].lstrip()
    longest = min(len(before), len(after), _LONGEST_REPETITION)
    return next((size for size in range(longest, _REPEATED_CHARS - 1, -1) if before.endswith(after[:size])), 0)


def _pause_s(pieces: Sequence[Piece]) -> float:
    gaps = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(pieces)]
    return round(max(gaps, default=0.0), 3)
