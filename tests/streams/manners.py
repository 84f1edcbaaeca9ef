"""What a model makes of half an answer: what it says, and the whole answer that this would be, rightly joined on.

A manner gets the whole answer, the half that was shown and the words that an instruction quotes (empty for a prefill).
It gives back what the model says; None is a refusal of the request. What may stand on the page in the end is the whole
answer. A manner that changes white space or case gives the page that a right joining makes of it.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

PREAMBLES = [
    "Sure, here is the rest of the answer: ",
    "Sure! Here's the rest:\n\n",
    "Certainly! Continuing from where we left off:\n\n",
    "Of course. ",
    "Okay, continuing: ",
    "I apologize for the interruption. Here is the rest.\n\n",
    "As an AI model, I will continue. ",
    "Natürlich, hier geht es weiter: ",
    "Gerne! Hier ist der Rest:\n",
    "Weiter geht's: ",
    "weiter geht's: ",
    "Bien sûr, voici la suite : ",
    "Claro, aquí está el resto: ",
    "Certo, ecco il resto: ",
    "Claro! Continuando: ",
    "Zeker, hier is de rest: ",
    "Конечно, вот продолжение: ",
    "Oczywiście, oto reszta: ",
    "Tabii, devamı: ",
    "当然，以下是剩余部分：",
    "もちろんです。続きは次のとおりです：",
    "물론입니다. 계속하겠습니다: ",
    "بالطبع، إليك البقية: ",
    "**Continuation:**\n\n",
    "[continuing from where I left off] ",
    "(continued) ",
    "So, as I was saying: ",
    "Assistant: ",
    "---\n\n",
    "\n\nHere is the remaining part of my answer:\n\n",
    "> ",
]
OTHERS = [
    "Lighthouses were built long before that. Nobody counted anything.",
    "I cannot continue this text.",
    "What would you like me to continue?",
    "it seems that the message was cut off, so please send it again",
    "…",
    "Done.",
]


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says, and the page that a right joining makes of it; `page` None: it is no continuation at all."""

    text: str | None
    page: str | None = None


Manner = Callable[[str, str, str, random.Random], Said]


def _rest(whole: str, half: str) -> str:
    return whole[len(half.rstrip()) :]


def honour(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    return Said(quote + _rest(whole, half), whole)


def bare(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """The rest, though the last words were to be quoted; or without the blank that a prefill goes on with."""
    return Said(_rest(whole, half).lstrip(), whole)


def refuse(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    return Said(None)


def ignore(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    return Said(whole, whole)


def other(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    return Said(rng.choice(OTHERS))


def nothing(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    return Said(rng.choice(["", " ", "\n"]))


def talk_over(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    rest = _rest(whole, half)
    return Said(rng.choice(PREAMBLES) + (quote + rest if quote and rng.random() < 0.5 else rest.lstrip()), whole)


def echo(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    return Said(rng.choice(["", "", "\n", " "]) + half.rstrip() + _rest(whole, half), whole)


def reset_echo(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """All of it again, with the white space of what was shown set anew."""
    return Said(re.sub(r"\s+", rng.choice([" ", "\n"]), half.rstrip()) + _rest(whole, half), whole)


def overlap(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """The last words of the half again."""
    return Said(" ".join(half.split()[-rng.randint(1, 8) :]) + _rest(whole, half), whole)


def sentence(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """The last sentence of the half again."""
    half = half.rstrip()
    begins = max(half.rfind(mark, 0, len(half) - 1) for mark in (". ", "! ", "? ", "\n"))
    return Said(half[begins + 1 :].lstrip() + _rest(whole, half), whole)


def quoted(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """The last words in quotation marks, or twice, or after a word about them."""
    last = quote or " ".join(half.split()[-4:])
    before, after = rng.choice(
        [('"', '"'), ("“", "”"), ("", f":\n{last}"), ("", f"\n\n{last}"), ("> ", ""), ("...", ""), ("`", "`")]
    )
    return Said(before + last + after + _rest(whole, half), whole)


def fenced(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """The rest in a code fence of its own."""
    return Said(f"```\n{quote}{_rest(whole, half).lstrip() if not quote else _rest(whole, half)}\n```")


def other_blank(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """The rest after another white space than there was."""
    half, rest = half.rstrip(), _rest(whole, half)
    if not rest[:1].isspace():
        return honour(whole, half, quote, rng)
    changed = rng.choice([" ", "\n", "\n\n", "  "]) + rest.lstrip()
    return Said(quote + changed, half + changed)


def other_case(whole: str, half: str, quote: str, rng: random.Random) -> Said:
    """The rest with its first letter in the other case."""
    half, rest = half.rstrip(), _rest(whole, half)
    blanks = rest[: len(rest) - len(rest.lstrip())]
    first = rest.lstrip()[:1]
    if first.swapcase() == first or len(first.swapcase()) != 1:
        return honour(whole, half, quote, rng)
    changed = blanks + first.swapcase() + rest.lstrip()[1:]
    return Said(quote + changed, half + changed)


PREFILL: dict[str, Manner] = {
    manner.__name__: manner
    for manner in (
        honour, bare, refuse, ignore, other, nothing, talk_over, echo, reset_echo, overlap, sentence, quoted, fenced,
        other_blank, other_case,
    )
}  # fmt: skip
INSTRUCTION = PREFILL
