"""Random answers of the kinds that models write: prose in many scripts, code, tables, JSON, lists, refrains."""

import json
import random
from collections.abc import Callable

_LATIN = [
    "the",
    "ship",
    "log",
    "of",
    "night",
    "carries",
    "eleven",
    "crates",
    "and",
    "a",
    "barrel",
    "of",
    "tar",
    "but",
    "nobody",
    "on",
    "board",
    "knows",
    "where",
    "it",
    "goes",
    "naïve",
    "façade",
    "Übermut",
    "Straße",
    "smörgåsbord",
    "don't",
    "it's",
    "3.14",
    "1,024",
    "C++",
    "e.g.",
    "https://example.org/a_b?c=d&e=f",
    "un'altra",
    "año",
    "señor",
    "l'été",
    "—",
    "–",
    "…",
    "x",
    "i",
    "a",
]
_CASED = [
    word.capitalize() for word in ("however", "sure", "here", "then", "lighthouse", "yes", "let", "so", "continue")
]
_OTHERS = ["東京から来ました", "天气很好。", "ภาษาไทยสวย", "한국어도", "مرحبا", "שלום", "Привет", "हिन्दी", "Ελλάδα"]
_MARKS = ["👩‍🚀", "🇯🇵🇫🇷", "👍🏽", "e\u0301tude", "Z\u0351\u036b", "🧑‍🤝‍🧑", "☕️", "日本\u3099", "q̃"]
_ENDS = [".", ".", ".", "!", "?", "…", ":", ".”", ".)", "。"]
_SPEAKS = ["data: [DONE]", 'data: {"choices": []}', '{"error": {"code": 500}}', "finish_reason: stop", "event: error"]
_REFRAINS = [
    "row, row, row your boat, ",
    "never again and ",
    "na na na ",
    "| a | b |\n",
    "over and over ",
    "哈哈",
    "ha",
]


def random_answer(rng: random.Random) -> str:
    """A text of one to some thousand characters; it neither begins nor ends with white space."""
    size = int(2 ** rng.uniform(0, 11.5))
    text = ""
    while len(text) < size:
        text += rng.choice(_BLOCKS)(rng) + rng.choice(["\n\n", "\n", " ", "\n\n"])
    text = text.strip()
    return text[:size].strip() if rng.random() < 0.3 and text[:size].strip() else text


def random_prose(rng: random.Random) -> str:
    """One to three sentences."""
    return " ".join(_sentence(rng) for _ in range(rng.randint(1, 3)))


def _sentence(rng: random.Random) -> str:
    words = [_word(rng) for _ in range(rng.randint(1, 18))]
    blanks = [" ", " ", " ", " ", " ", " ", "  ", "\n"]
    return "".join(word + rng.choice(blanks) for word in words).rstrip() + rng.choice(_ENDS)


def _word(rng: random.Random) -> str:
    pools = [_LATIN] * 12 + [_CASED, _OTHERS, _MARKS]
    word = rng.choice(rng.choice(pools))
    return f"{word}," if rng.random() < 0.1 else f"**{word}**" if rng.random() < 0.03 else word


def _foreign(rng: random.Random) -> str:
    joint = rng.choice(["", " "])
    return joint.join(rng.choice(_OTHERS) for _ in range(rng.randint(2, 12)))


def _code(rng: random.Random) -> str:
    lines = [f"    {rng.choice(['if', 'return', 'x =', 'for i in'])} {rng.choice(_LATIN)}({n}):" for n in range(4)]
    return "```python\ndef f(x):\n" + "\n".join(lines[: rng.randint(1, 4)]) + "\n```"


def _table(rng: random.Random) -> str:
    rows = [f"| {_word(rng)} | {rng.randint(0, 99)} |" for _ in range(rng.randint(1, 6))]
    return "\n".join(["| name | n |", "|---|---|", *rows])


def random_json(rng: random.Random) -> str:
    """An object of four fields at most."""
    value = {
        _word(rng): rng.choice([rng.randint(0, 9**9), _word(rng), None, [1, 2, 3], {"a": _word(rng)}]) for _ in "abcd"
    }
    return json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 2]))


def _list(rng: random.Random) -> str:
    mark = rng.choice(["- ", "* ", "1. ", "• "])
    return "\n".join(mark + _sentence(rng) for _ in range(rng.randint(2, 6)))


def _refrain(rng: random.Random) -> str:
    return rng.choice(_REFRAINS) * rng.randint(2, 12)


def _protocol(rng: random.Random) -> str:
    return f"{_word(rng)} {rng.choice(_SPEAKS)} {_word(rng)}"


def _long_word(rng: random.Random) -> str:
    return "".join(rng.choice("abcdefghij/-_%") for _ in range(rng.randint(30, 200)))


_BLOCKS: list[Callable[[random.Random], str]] = [
    *[random_prose] * 8,
    _foreign,
    _code,
    _table,
    random_json,
    _list,
    _refrain,
    _protocol,
    _long_word,
]
