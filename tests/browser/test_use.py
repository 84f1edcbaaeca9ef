"""Keyboard, narrow windows, readers who look elsewhere, people who listen."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER_TEST, OpenPage
from tests.faults.harness import Stage
from yaoki.faults import Script

pytestmark = BROWSER_TEST

LONG = "\n\n".join(
    f"Paragraph {number}: the tide comes in, the tide goes out, and the book stays blue." for number in range(30)
)
WIDE = "\n".join(
    ["A table", "", f"|{'|'.join(['column' * 2] * 12)}|", f"|{'---|' * 12}", f"|{'|'.join(['value'] * 12)}|"]
)


async def test_everything_can_be_done_by_keyboard(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=LONG, token_s=0.02))
    chat = await open_page()
    await expect(chat.field).to_be_focused()
    await chat.page.keyboard.type("First line")
    await chat.page.keyboard.press("Shift+Enter")
    await chat.page.keyboard.type("second line")
    await chat.page.keyboard.press("Enter")
    await chat.words_shown()
    assert (await chat.messages())[0].text == "First line\nsecond line"
    await expect(chat.field).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await chat.ended(outcome="cancelled")
    await chat.page.keyboard.press("Control+k")
    await expect(chat.page.get_by_role("heading", name="Fall seven times, rise eight.")).to_be_visible()
    await expect(chat.field).to_be_focused()
    assert chat.session == ""


async def test_an_empty_message_is_not_sent(open_page: OpenPage) -> None:
    chat = await open_page()
    await chat.send("  \n ")
    await expect(chat.page.get_by_role("button", name="Send")).to_be_disabled()
    await expect(chat.page.locator(".queued, yaoki-message")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 390])
async def test_a_phone_never_scrolls_sideways(stage: Stage, open_page: OpenPage, width: int) -> None:
    answer = f"{WIDE}\n\n`{'x' * 200}`\n\n```\n{'y' * 300}\n```\n\nhttps://example.invalid/{'z' * 200}\n\n{'w' * 200}"
    await stage.first.play(Script(answer=answer, fault="cut_mid_stream", at=400, times=1))
    await stage.providers[1].play(Script(answer=answer))
    chat = await open_page(width=width)
    await chat.send("v" * 300)
    await chat.ended()
    sideways = """() => [...document.querySelectorAll("html, body, .main, .scroller, .thread, .dock, .top")]
        .filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => element.className)"""
    assert await chat.page.evaluate(sideways) == []
    await chat.page.get_by_role("button", name="Conversations").click()
    await expect(chat.page.locator(".sessions li")).to_be_visible()
    await chat.page.keyboard.press("Escape")
    await expect(chat.page.locator(".sessions li")).not_to_be_visible()
    assert await chat.page.evaluate(sideways) == []


async def test_the_page_follows_the_answer_unless_the_reader_has_gone_up(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=LONG, token_s=0.004))
    chat = await open_page()
    await chat.send("Tides?")
    await chat.words_shown(200)
    scroller = chat.page.locator(".scroller")
    gap = "(element) => element.scrollHeight - element.scrollTop - element.clientHeight"
    assert await scroller.evaluate(gap) < 80
    await scroller.hover()
    await chat.page.mouse.wheel(0, -400)
    latest = chat.page.get_by_role("button", name="Jump to the latest")
    await expect(latest).to_be_visible()
    place = await scroller.evaluate("(element) => element.scrollTop")
    await chat.ended()
    assert await scroller.evaluate("(element) => element.scrollTop") == place
    await latest.click()
    await expect(latest).to_have_count(0)
    assert await scroller.evaluate(gap) < 80


async def test_code_is_copied_as_it_was_written(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer="Run:\n\n```sh\nmake run\n```\n"))
    chat = await open_page()
    await chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await chat.send("How?")
    await chat.ended()
    await chat.page.get_by_role("button", name="Copy code").click()
    await expect(chat.page.get_by_role("button", name="Copy code")).to_have_text("Copied")
    assert await chat.page.evaluate("navigator.clipboard.readText()") == "make run\n"


@pytest.mark.requirement("P-7")
async def test_people_who_listen_are_told_what_happens(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=LONG[:300], token_s=0.01))
    chat = await open_page()
    await chat.send("Tides?")
    await chat.words_shown()
    await expect(chat.answers.get_by_role("article")).to_have_attribute("aria-busy", "true")
    await chat.ended()
    await expect(chat.answers.get_by_role("article")).to_have_attribute("aria-busy", "false")
    await expect(chat.page.locator("[role=status][aria-live=polite]")).to_have_text("The answer is complete.")
    await stage.server.kill()
    await expect(chat.page.locator("[role=status][aria-live=polite]")).to_contain_text("interrupted")
