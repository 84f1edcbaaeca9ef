"""Text as the judge of `yaoki chaos` compares it, and what one text has of another."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def plain(text: str) -> str:
    """`text` as it is compared: without colours and white space, its characters in one spelling."""
    return "".join(unicodedata.normalize("NFC", _COLOUR.sub("", text)).split())


def strings_of_json(text: str) -> str:
    """The same of all strings in its JSON lines, or in the JSON that it is as a whole."""
    try:
        return plain("".join(_strings(json.loads(text))))
    except ValueError:
        return plain("".join("".join(_strings_of_line(line)) for line in text.splitlines()))


def _strings_of_line(line: str) -> Iterator[str]:
    try:
        value = json.loads(line)
    except ValueError:
        return iter((line,))
    return _strings(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in cast("dict[str, Any]", value).values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _strings(one)


def beginning_in(text: str, output: str) -> int:
    """How much of the text's beginning is in the output."""
    return longest(lambda size: text[:size] in output, len(text))


def longest(there: Callable[[int], bool], most: int) -> int:
    """The largest size, up to `most`, for which `there` holds, as it then does for every smaller one."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if there(middle) else (low, middle - 1)
    return low


def grams_of(text: str, size: int) -> Iterator[str]:
    """Every stretch of `size` characters."""
    return (text[start : start + size] for start in range(len(text) - size + 1))


def counted(text: str, size: int, wanted: set[str]) -> Counter[str]:
    """How often the text has each of the stretches that are wanted."""
    return Counter(gram for gram in grams_of(text, size) if gram in wanted)
