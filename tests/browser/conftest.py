"""One Chromium for all tests; for each of them a server of its own, over the scripted providers m0 and m1."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.chat_page import ChatPage
from tests.faults.harness import Stage
from yaoki.faults import Script

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

BROWSER_TEST = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]
"""The marks of each module here: all share one loop, and so one browser."""

OpenPage = Callable[..., Awaitable[ChatPage]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser, None]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path) -> AsyncGenerator[Stage, None]:
    async with Stage(tmp_path, Script(), Script()) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, stage: Stage) -> AsyncGenerator[OpenPage, None]:
    """Opens pages, each in a profile of its own unless told otherwise; in the end none may have met a problem."""
    opened: list[ChatPage] = []

    async def open_(url: str | None = None, *, beside: ChatPage | None = None, width: int = 1200) -> ChatPage:
        context = beside.page.context if beside else await browser.new_context(viewport={"width": width, "height": 800})
        page = ChatPage(await context.new_page())
        opened.append(page)
        await page.page.goto(url or stage.server.url)
        return page

    yield open_
    for context in {page.page.context for page in opened}:
        await context.close()
    assert [problem for page in opened for problem in page.problems] == []
