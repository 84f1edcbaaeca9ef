"""The figures as dots on logarithmic axes, as SVG: readable in light and in dark, and without telling colours apart."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.gateway.loads import STREAM, WHOLE, Load
from bench.gateway.report import Results

_LEFT, _WIDTH, _RIGHT, _STEP, _MARGIN = 130, 430, 210, 26, 20
_COLOURS = {1: "#0072b2", 16: "#d55e00", 64: "#999999"}
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1b1b1b }
.head { font-weight: 600 }
.tick, .value { font-size: 12px }
.tick { text-anchor: middle }
.name { text-anchor: end }
line { stroke: #c8c8c8 }
@media (prefers-color-scheme: dark) { text { fill: #ececec } line { stroke: #4a4a4a } }
"""


@dataclass(frozen=True, slots=True)
class Dot:
    """One figure; `clients` asked at a time, 0: nobody did."""

    value: float
    clients: int = 0


@dataclass(frozen=True, slots=True)
class Panel:
    """Figures of one kind, by gateway."""

    title: str
    unit: str
    rows: list[tuple[str, list[Dot]]]


def svg(results: Results) -> str:
    """All panels, one below the other."""
    parts, y = list(_legend(_MARGIN)), _MARGIN + 40
    for panel in _panels(results):
        parts.extend(_panel(panel, y))
        y += 66 + _STEP * len(panel.rows)
    width = _LEFT + _WIDTH + _RIGHT
    label = "Processor time, added waits, memory and start of each gateway"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img" aria-label="{label}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>\n"])


def _panels(results: Results) -> Iterator[Panel]:
    names = [held.name for held in results.held]
    for load in (WHOLE, STREAM):
        yield Panel(f"Processor time an answer, {load.name}", "µs", [(n, _costs(results, load, n)) for n in names])
    yield Panel(f"Added wait for the answer, {WHOLE.name}", "ms", [(n, _waits(results, WHOLE, n)) for n in names])
    yield Panel(f"Added wait for the first word, {STREAM.name}", "ms", [(n, _waits(results, STREAM, n)) for n in names])
    yield Panel("Memory after all loads", "MB", [(held.name, [Dot(held.worked_mb)]) for held in results.held])
    yield Panel("Start", "s", [(held.name, [Dot(held.start_s)]) for held in results.held])


def _costs(results: Results, load: Load, name: str) -> list[Dot]:
    found = [(results.cost(load.name, clients, name), clients) for clients in load.requests]
    return [Dot(cost.cpu_us, clients) for cost, clients in found if cost is not None]


def _waits(results: Results, load: Load, name: str) -> list[Dot]:
    found = [(results.added_ms(load.name, n, name, first=load.streamed), n) for n in load.requests]
    return [Dot(wait, clients) for wait, clients in found if wait is not None and wait > 0]


def _panel(panel: Panel, y: int) -> Iterator[str]:
    values = [dot.value for _, dots in panel.rows for dot in dots] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    high = max(high, low + 1)

    def place(value: float) -> float:
        return _LEFT + _WIDTH * (math.log10(value) - low) / (high - low)

    yield f'<text class="head" x="{_LEFT}" y="{y}">{escape(panel.title)}</text>'
    bottom = y + 12 + _STEP * len(panel.rows)
    for power in range(low, high + 1):
        x = place(10.0**power)
        yield f'<line x1="{x:.1f}" y1="{y + 10}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{bottom + 15}">{_number(10.0**power)} {panel.unit}</text>'
    for at, (name, dots) in enumerate(panel.rows):
        yield from _row(name, dots, panel.unit, y + 29 + _STEP * at, [place(dot.value) for dot in dots])


def _row(name: str, dots: Sequence[Dot], unit: str, y: int, places: Sequence[float]) -> Iterator[str]:
    yield f'<text class="name" x="{_LEFT - 12}" y="{y}">{escape(name)}</text>'
    for dot, x in zip(dots, places, strict=True):
        yield _mark(dot.clients, x, y - 4)
    if dots:
        told = " · ".join(_number(dot.value) for dot in dots)
        yield f'<text class="value" x="{_LEFT + _WIDTH + 12}" y="{y}">{told} {unit}</text>'


def _mark(clients: int, x: float, y: float) -> str:
    colour = _COLOURS.get(clients, "#0072b2")
    if clients == 16:
        return f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="{colour}"/>'
    if clients == 64:
        corners = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y + 5:.1f} {x - 7:.1f},{y + 5:.1f}"
        return f'<polygon points="{corners}" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>'


def _legend(y: int) -> Iterator[str]:
    for at, clients in enumerate(_COLOURS):
        x = _LEFT + 6 + 175 * at
        yield _mark(clients, x, y - 4)
        yield f'<text x="{x + 14}" y="{y}">{clients} client{"s" if clients > 1 else ""} at a time</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
