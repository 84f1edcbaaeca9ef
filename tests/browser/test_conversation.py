"""A conversation as a person has it."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import same
from tests.browser.conftest import BROWSER_TEST, OpenPage
from tests.faults.harness import Stage
from yaoki.faults import Script

pytestmark = BROWSER_TEST

TEXT = (
    "The harbour master counts **eleven** boats, two of them red, and writes the number into a blue book every night."
)


async def test_an_answer_appears_as_the_log_says_it(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=TEXT))
    chat = await open_page()
    await chat.page.get_by_role("button", name=re.compile("tea and coffee")).click()
    await chat.ended()
    shown = await chat.messages()
    assert same(shown, await stage.history(chat.session))
    assert shown[1].text == TEXT
    shown[1].assert_seamless()
    await expect(chat.answers.locator("strong")).to_have_text("eleven")
    await expect(chat.answers.locator(".models")).to_have_text("m0")
    await expect(chat.page.locator(".sessions .title")).to_have_text(re.compile("tea and coffee"))


@pytest.mark.requirement("P-7", "P-3")
async def test_a_failover_leaves_a_mark_that_tells_its_story(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=TEXT, fault="cut_mid_stream", at=40, times=1))
    await stage.providers[1].play(Script(answer=TEXT))
    chat = await open_page()
    await chat.send("How many boats?")
    await chat.ended()
    answer = (await chat.messages())[1]
    assert answer.text == TEXT
    assert answer.models == ["m0", "m1"]
    assert [kind for kind, _ in answer.marks] == ["failover", "continued"]
    assert TEXT[: answer.marks[0][1]].endswith("**eleven**")
    mark = chat.answers.locator(".prose p .mark-button")
    await expect(mark).to_have_text(re.compile("Continued by m1"))
    await mark.click()
    note = chat.page.get_by_role("dialog", name="What happened here")
    await expect(note).to_contain_text("m0 broke off here, because its stream was cut.")
    await expect(note).to_contain_text("m1 went on from here.")
    await chat.page.keyboard.press("Escape")
    await expect(note).to_have_count(0)
    await chat.page.reload()
    await expect(mark).to_have_text(re.compile("Continued by m1"))


@pytest.mark.requirement("P-7")
async def test_what_no_model_answered_is_said_and_can_be_asked_again(stage: Stage, open_page: OpenPage) -> None:
    for provider in stage.providers:
        await provider.play(Script(fault="http_500"))
    chat = await open_page()
    await chat.send("Is anybody there?")
    await chat.ended(outcome="degraded")
    await expect(chat.answers.get_by_role("note")).to_contain_text("No model could answer.")
    for provider in stage.providers:
        await provider.play(Script(answer=TEXT))
    await chat.page.get_by_role("button", name="Ask again").click()
    await chat.ended()
    assert [message.text for message in await chat.messages()][2:] == ["Is anybody there?", TEXT]


@pytest.mark.requirement("M18", "P-2")
async def test_an_answer_at_its_limit_is_not_shown_as_complete(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=TEXT, fault="length", at=30, times=1))
    chat = await open_page()
    await chat.send("How many boats?")
    await chat.ended(outcome="output_limit")
    await expect(chat.answers.get_by_role("note")).to_contain_text("reached the length limit")
    await expect(chat.page.get_by_role("button", name="Continue")).to_be_visible()


async def test_messages_wait_in_line_and_can_be_taken_back(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=TEXT * 3, token_s=0.03))
    chat = await open_page()
    await chat.send("One")
    await chat.words_shown()
    await chat.send("Two")
    await chat.send("Three")
    waiting = chat.page.locator(".queued[data-state=accepted]")
    await expect(waiting).to_have_count(2)
    await expect(waiting.first).to_contain_text("Waits in line")
    await chat.page.reload()
    await expect(waiting).to_have_count(2)
    await waiting.last.get_by_role("button", name="Take back").click()
    await expect(waiting).to_have_count(1)
    await stage.first.play(Script(answer=TEXT))
    await chat.ended(2)
    await chat.ended(1, "cancelled")
    asked = [message.text for message in await chat.messages() if message.role == "user"]
    assert sorted(asked) == ["One", "Three", "Two"]


@pytest.mark.requirement("P-7")
async def test_a_refused_message_says_why_and_can_be_edited(open_page: OpenPage) -> None:
    chat = await open_page()
    await chat.send("x" * 32_001)
    refused = chat.page.locator(".queued[data-state=refused]")
    await expect(refused).to_contain_text("32000 is the limit")
    await refused.get_by_role("button", name="Edit").click()
    await expect(refused).to_have_count(0)
    await expect(chat.field).to_have_value("x" * 32_001)
    await chat.send("Shorter?")
    await chat.ended()


@pytest.mark.requirement("C9")
async def test_stop_ends_the_answer_and_keeps_what_was_written(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=TEXT * 3, token_s=0.05))
    chat = await open_page()
    await chat.send("How many boats?")
    await chat.words_shown(3)
    await chat.page.get_by_role("button", name="Stop", exact=True).click()
    await chat.ended(outcome="cancelled")
    shown = await chat.messages()
    assert same(shown, await stage.history(chat.session))
    assert 0 < len(shown[1].text) < len(TEXT * 3)
    await expect(chat.answers).to_contain_text("Stopped.")
    await expect(chat.page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


async def test_a_conversation_is_renamed_and_after_a_question_deleted(stage: Stage, open_page: OpenPage) -> None:
    chat = await open_page()
    await chat.send("How many boats?")
    await chat.ended()
    row = chat.page.locator(".sessions li")
    await row.hover()
    await row.get_by_role("button", name=re.compile("Rename")).click()
    await chat.page.get_by_label("New title").fill("Boats")
    await chat.page.keyboard.press("Enter")
    await expect(row.locator(".title")).to_have_text("Boats")
    await expect(chat.page.locator(".top-title")).to_have_text("Boats")
    await row.hover()
    await row.get_by_role("button", name=re.compile("Delete")).click()
    dialog = chat.page.get_by_role("dialog", name="Delete this conversation?")
    await dialog.get_by_role("button", name="Keep it").click()
    await expect(row).to_have_count(1)
    await row.hover()
    await row.get_by_role("button", name=re.compile("Delete")).click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(0)
    await expect(chat.page.get_by_role("heading", name="Fall seven times, rise eight.")).to_be_visible()
