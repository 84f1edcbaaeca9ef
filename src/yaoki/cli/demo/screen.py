"""What the demo shows: two columns on a terminal, plain lines elsewhere, nothing where only the figures are wanted."""

import asyncio
from typing import Literal, Protocol

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from yaoki.cli.answer import printable

Side = Literal["left", "right"]
LEFT: Side = "left"
RIGHT: Side = "right"
_NAMES = {LEFT: "bare openai SDK", RIGHT: "Yaoki"}
_FRAMES_PER_S = 12
_NAME_CHARS = 15
_FRAME_CHARS, _FRAME_LINES = 4, 4


class Stage(Protocol):
    """Where the acts are shown."""

    token_s: float
    """Seconds between two words of what is played, so that a person can read along."""

    def tell(self, line: str) -> None:
        """A line of the story, between acts or beside them."""
        ...

    def act(self, title: str, absent: str = "") -> None:
        """An act begins. `absent`: why the left side is not in it."""
        ...

    def show(self, side: Side, text: str) -> None:
        """A piece of an answer, as it comes."""
        ...

    def note(self, side: Side, line: str) -> None:
        """What happened on one side."""
        ...

    def curtain(self) -> None:
        """The act is over."""
        ...

    async def beat(self, seconds: float) -> None:
        """Time to look, where somebody looks."""
        ...


class NoStage:
    """Shows nothing."""

    token_s = 0.02

    def tell(self, line: str) -> None:
        """Nothing."""

    def act(self, title: str, absent: str = "") -> None:
        """Nothing."""

    def show(self, side: Side, text: str) -> None:
        """Nothing."""

    def note(self, side: Side, line: str) -> None:
        """Nothing."""

    def curtain(self) -> None:
        """Nothing."""

    async def beat(self, seconds: float) -> None:
        """No time at all."""


class PlainLines(NoStage):
    """One line at a time, each with the side it belongs to; a side's words wait until something happens on it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = {LEFT: "", RIGHT: ""}

    def tell(self, line: str) -> None:
        """See `Stage.tell`."""
        self._print(line)

    def act(self, title: str, absent: str = "") -> None:
        """See `Stage.act`."""
        self._print(f"\n{title}")
        if absent:
            self._line(LEFT, f"({absent})")

    def show(self, side: Side, text: str) -> None:
        """See `Stage.show`."""
        self._said[side] += text

    def note(self, side: Side, line: str) -> None:
        """See `Stage.note`."""
        said, self._said[side] = self._said[side], ""
        for row in printable(said).splitlines():
            self._line(side, row)
        self._line(side, f"* {line}")

    def _line(self, side: Side, text: str) -> None:
        self._print(f"{_NAMES[side]:{_NAME_CHARS}} | {text}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class SplitScreen:
    """Both sides beside each other while they are written. `curtain` must follow each `act`."""

    token_s = 0.06

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._columns = {LEFT: Text(), RIGHT: Text()}
        self._whole = False

    def tell(self, line: str) -> None:
        """See `Stage.tell`."""
        self._console.print(line, markup=False, highlight=False)

    def act(self, title: str, absent: str = "") -> None:
        """See `Stage.act`."""
        self._console.print(f"\n[bold]{title}[/bold]", highlight=False)
        self._columns = {LEFT: Text(f"({absent})" if absent else "", style="dim" if absent else ""), RIGHT: Text()}
        self._whole = False
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=_FRAMES_PER_S, redirect_stdout=False
        )
        self._live.start()

    def show(self, side: Side, text: str) -> None:
        """See `Stage.show`."""
        self._columns[side].append(printable(text))

    def note(self, side: Side, line: str) -> None:
        """See `Stage.note`."""
        column = self._columns[side]
        column.append("" if not column.plain or column.plain.endswith("\n") else "\n")
        column.append(f"✂ {printable(line)}\n" if side == LEFT else f"▸ {printable(line)}\n", style="yellow")

    def curtain(self) -> None:
        """See `Stage.curtain`."""
        if self._live is not None:
            self._whole = True
            self._live.stop()
            self._live = None

    async def beat(self, seconds: float) -> None:
        """See `Stage.beat`."""
        await asyncio.sleep(seconds)

    def _render(self) -> Table:
        grid = Table.grid(expand=True)
        for _ in self._columns:
            grid.add_column(ratio=1)
        grid.add_row(
            *(Panel(self._end_of(text), title=_NAMES[side], title_align="left") for side, text in self._columns.items())
        )
        return grid

    def _end_of(self, text: Text) -> Text:
        """The last lines, as many as fit; all of them in the picture that stays when the act is over."""
        shown = text.copy()
        shown.rstrip()
        if self._whole:
            return shown
        lines = shown.wrap(self._console, self._console.width // 2 - _FRAME_CHARS)
        return Text("\n").join(lines[-max(1, self._console.height - _FRAME_LINES) :])
