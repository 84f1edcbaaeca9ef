"""Takes the pictures in docs/images: `python -m tests.browser.pictures`.

Nothing in them is arranged: a real server over scripted providers, a cut, a `kill -9`, and the page as it shows them.
"""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.faults.harness import Stage
from yaoki.faults import Script

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ANSWER = (
    "Tides follow the moon. As the earth turns, every coast passes through **two** bulges of water a day, so high "
    "water comes about every *twelve hours and twenty-five minutes*.\n\n"
    "| | interval |\n|---|---:|\n| high to high | 12 h 25 min |\n| high to low | 6 h 12 min |\n\n"
    "The sun pulls too, at a bit less than half the strength. When both pull in one line, at new and full moon, the "
    "tides are highest: spring tides. A week later they pull at right angles, and the difference is smallest."
)


async def main() -> None:
    """Take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright, Stage(Path(folder), Script(), Script()) as stage:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            await _continued(browser, stage)
            await _killed(browser, stage)
            await browser.close()


async def _continued(browser: Browser, stage: Stage) -> None:
    await stage.first.play(Script(answer=ANSWER, fault="cut_mid_stream", at=330, times=1))
    await stage.providers[1].play(Script(answer=ANSWER))
    chat = await _open(browser, stage)
    await chat.send("Why are there two tides a day?")
    await chat.ended()
    await chat.answers.locator(".mark-button").first.click()
    await _take(chat, "continued")


async def _killed(browser: Browser, stage: Stage) -> None:
    for provider in stage.providers:
        await provider.play(Script(answer=ANSWER, token_s=0.05))
    chat = await _open(browser, stage)
    await chat.send("And why are some of them higher?")
    await chat.words_shown(75)
    await stage.server.kill()
    await expect(chat.answers).to_contain_text("Interrupted.")
    await _take(chat, "interrupted")
    await stage.server.start()
    await chat.ended()
    await _take(chat, "resumed")


async def _open(browser: Browser, stage: Stage) -> ChatPage:
    context = await browser.new_context(viewport={"width": 1120, "height": 720})
    chat = ChatPage(await context.new_page())
    await chat.page.goto(stage.server.url)
    return chat


async def _take(chat: ChatPage, name: str) -> None:
    await chat.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    asyncio.run(main())
