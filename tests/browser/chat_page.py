"""The chat page, as a person and as a test sees it."""

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.async_api import Locator, Page, expect

ANSWER_WITHIN_MS = 30_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One message on the page: what it says, how it ended, and how its text arrived."""

    id: str
    role: str
    text: str
    outcome: str | None
    marks: list[tuple[str, int]]
    models: list[str]
    pieces: list[tuple[str | None, int, int]]

    def assert_seamless(self) -> None:
        """Each piece begins where the one before ended, in the order of the log, and the last ends the text."""
        assert [at for _, at, _ in self.pieces[:1]] == [0]
        for (_, at, length), (_, following, _) in pairwise(self.pieces):
            assert at + length == following
        assert sum(length for _, _, length in self.pieces) == len(self.text)
        places = [_place(event) for event, _, _ in self.pieces if event is not None]
        assert places == sorted(set(places))


class ChatPage:
    """Types, presses and reads. `problems` collects what a browser complains about by itself."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", lambda message: self._heard(message.type, message.text))

    @property
    def field(self) -> Locator:
        return self.page.get_by_label("Your message")

    @property
    def answers(self) -> Locator:
        return self.page.locator("yaoki-message[data-role=assistant]")

    @property
    def session(self) -> str:
        return self.page.url.partition("#")[2]

    async def send(self, content: str) -> None:
        await self.field.fill(content)
        await self.field.press("Enter")

    async def words_shown(self, count: int = 1) -> None:
        """Wait until the newest answer has at least `count` words."""
        await self._until(
            lambda shown: bool(shown) and shown[-1].role == "assistant" and len(shown[-1].text.split()) >= count
        )

    async def ended(self, count: int = 1, outcome: str = "completed") -> None:
        """Wait until `count` answers have ended in `outcome`."""
        await expect(self.page.locator(f"yaoki-message[data-outcome={outcome}]")).to_have_count(
            count, timeout=ANSWER_WITHIN_MS
        )

    async def connection(self, *kinds: str) -> None:
        """Wait until the connection is said to be one of `kinds`."""
        wanted = ", ".join(f".connection[data-connection={kind}]" for kind in kinds)
        await expect(self.page.locator(wanted)).to_be_visible(timeout=ANSWER_WITHIN_MS)

    async def messages(self) -> list[Shown]:
        found: list[dict[str, Any]] = await self.page.evaluate(
            """() => [...document.querySelectorAll("yaoki-message")].map((element) => ({
                id: element.dataset.messageId,
                role: element.dataset.role,
                text: element.rawText,
                outcome: element.message.outcome,
                marks: element.message.marks.map((mark) => [mark.type, mark.atChar]),
                models: element.message.models,
                pieces: element.pieces.map((piece) => [piece.id, piece.at, piece.length]),
            }))"""
        )
        return [
            Shown(**{**each, "marks": list(map(tuple, each["marks"])), "pieces": list(map(tuple, each["pieces"]))})
            for each in found
        ]

    async def _until(self, holds: Any) -> None:
        # The page's policy forbids the evaluation of text, on which Playwright's own wait_for_function relies.
        deadline = time.monotonic() + ANSWER_WITHIN_MS / 1000
        while not holds(await self.messages()):
            assert time.monotonic() < deadline, await self.messages()
            await self.page.wait_for_timeout(20)

    def _heard(self, kind: str, text: str) -> None:
        lost = "Failed to load resource" in text  # a lost connection is reported by the browser and handled by the page
        if kind in ("error", "warning") and not lost:
            self.problems.append(f"{kind}: {text}")


def same(shown: list[Shown], history: dict[str, Any]) -> bool:
    """Whether the page says exactly what the log says."""
    told = [(message["id"], message["role"], message["content"], message["outcome"]) for message in history["messages"]]
    return [(message.id, message.role, message.text, message.outcome) for message in shown] == told


def _place(event: str) -> tuple[int, int]:
    seq, _, n = event.rpartition(":")[2].partition(".")
    return int(seq), int(n)
