"""Stacked bars as SVG, written by hand: readable in light and in dark, and by those who see few colours."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.survival.verdict import VERDICTS

_COLOURS = {
    "completed": "#0072b2",
    "told": "#56b4e9",
    "repeated": "#cc79a7",
    "passed off": "#d55e00",
    "hung": "#e69f00",
    "lost": "#999999",
}
_DARK_TEXT = ("told", "repeated", "hung", "lost")
_LEFT, _WIDTH, _BAR, _STEP, _MARGIN = 300, 560, 20, 28, 20
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1b1b1b }
.head { font-weight: 600 }
.count { font-size: 12px; text-anchor: middle; fill: #ffffff }
.dark { fill: #1b1b1b }
.name { text-anchor: end }
@media (prefers-color-scheme: dark) { text { fill: #ececec } .count { fill: #ffffff } .dark { fill: #1b1b1b } }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One subject, and how often each verdict fell."""

    name: str
    counts: Counter[str]


def svg(panels: Mapping[str, Sequence[Bar]]) -> str:
    """Panels of bars, one below the other, with one legend; every bar is as long as the others of its panel."""
    parts, y = list(_legend(_MARGIN)), _MARGIN + 44
    for title, bars in panels.items():
        parts.append(f'<text class="head" x="{_LEFT}" y="{y}">{escape(title)}</text>')
        y += 12
        for bar in bars:
            parts.extend(_bar(bar, y))
            y += _STEP
        y += 28
    width = _LEFT + _WIDTH + _MARGIN
    label = "How often each subject completed an answer, told of a failure, or passed a cut answer off as whole"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img" aria-label="{label}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>\n"])


def _legend(y: int) -> Iterator[str]:
    x = _LEFT
    for verdict in VERDICTS:
        yield f'<rect x="{x}" y="{y - 11}" width="13" height="13" fill="{_COLOURS[verdict]}"/>'
        yield f'<text x="{x + 18}" y="{y}">{verdict}</text>'
        x += 38 + 8 * len(verdict)


def _bar(bar: Bar, y: int) -> Iterator[str]:
    yield f'<text class="name" x="{_LEFT - 10}" y="{y + 15}">{escape(bar.name)}</text>'
    total = sum(bar.counts[verdict] for verdict in VERDICTS) or 1
    x = float(_LEFT)
    for verdict in VERDICTS:
        width = _WIDTH * bar.counts[verdict] / total
        if width:
            yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{_COLOURS[verdict]}"/>'
        if width >= 14:
            kind = "count dark" if verdict in _DARK_TEXT else "count"
            yield f'<text class="{kind}" x="{x + width / 2:.1f}" y="{y + 15}">{bar.counts[verdict]}</text>'
        x += width
