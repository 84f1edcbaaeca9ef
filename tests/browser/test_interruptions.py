"""What a person sees while something breaks between the page and its answer."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import same
from tests.browser.conftest import BROWSER_TEST, OpenPage
from tests.browser.instance import Instance
from tests.browser.link import Link
from yaoki.faults import ANSWER, Script

pytestmark = [*BROWSER_TEST, pytest.mark.timeout(120)]

INTERRUPTED = ("interrupted", "reconnecting")


@pytest.mark.requirement("C10", "P-3")
async def test_a_cut_stream_is_said_and_resumed(instance: Instance, open_page: OpenPage) -> None:
    await instance.first.play(Script(answer=ANSWER, token_s=0.03))
    async with Link(instance.port) as link:
        chat = await open_page(link.url)
        await chat.send("What of the night?")
        await chat.words_shown(5)
        await link.down()
        await chat.connection(*INTERRUPTED)
        await expect(chat.answers).to_contain_text("Interrupted.")
        await expect(chat.page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
        await link.up()
        await chat.connection("live")
        await expect(chat.answers).not_to_contain_text("Interrupted.")
        for _ in range(3):
            await chat.words_shown(len((await chat.messages())[-1].text.split()) + 5)
            link.cut()
        await chat.ended()
        answer = (await chat.messages())[-1]
        assert answer.text == ANSWER
        answer.assert_seamless()
        assert same(await chat.messages(), await instance.history(chat.session))


@pytest.mark.requirement("C10")
async def test_stop_without_a_connection_stops_once_it_is_back(instance: Instance, open_page: OpenPage) -> None:
    await instance.first.play(Script(answer=ANSWER * 4, token_s=0.05))
    async with Link(instance.port) as link:
        chat = await open_page(link.url)
        await chat.send("What of the night?")
        await chat.words_shown(3)
        await link.down()
        await chat.connection(*INTERRUPTED)
        await chat.page.get_by_role("button", name="Stop", exact=True).click()
        await expect(chat.page.locator(".hint")).to_contain_text("Stops as soon as the connection is back.")
        await link.up()
        await chat.ended(outcome="cancelled")
        assert same(await chat.messages(), await instance.history(chat.session))


@pytest.mark.requirement("C10", "P-7")
async def test_two_missed_heartbeats_are_an_interruption(instance: Instance, open_page: OpenPage) -> None:
    async with Link(instance.port) as link:
        chat = await open_page(link.url)
        await chat.send("What of the night?")
        await chat.ended()
        await chat.page.wait_for_timeout(1_200)  # real time: the page learns the rhythm of the heartbeats
        link.fall_silent()
        await chat.connection(*INTERRUPTED)
        link.speak()
        await chat.connection("live")


@pytest.mark.requirement("P2", "P-1", "P-3")
async def test_the_same_page_reads_the_same_answer_over_a_killed_server(
    instance: Instance, open_page: OpenPage
) -> None:
    await instance.first.play(Script(answer=ANSWER, token_s=0.04))
    chat = await open_page()
    await chat.send("What of the night?")
    await chat.words_shown(8)
    await instance.kill()
    await chat.connection(*INTERRUPTED)
    half = (await chat.messages())[-1]
    await instance.start()
    await chat.connection("live")
    await chat.ended()
    question, answer = await chat.messages()
    assert question.text == "What of the night?"
    assert answer.text == ANSWER
    assert answer.id == half.id
    assert answer.pieces[: len(half.pieces)] == half.pieces
    answer.assert_seamless()
    assert "resumed" in [kind for kind, _ in answer.marks]
    await expect(chat.answers.locator(".mark-button")).to_contain_text("Resumed after a restart")
    history = await instance.history(chat.session)
    assert same([question, answer], history)
    await chat.page.reload()
    await chat.ended()
    assert same(await chat.messages(), history)


async def test_a_reload_in_the_middle_of_an_answer_goes_on_with_it(instance: Instance, open_page: OpenPage) -> None:
    await instance.first.play(Script(answer=ANSWER, token_s=0.03))
    chat = await open_page()
    await chat.send("What of the night?")
    await chat.words_shown(8)
    await chat.page.reload()
    await chat.ended()
    answer = (await chat.messages())[-1]
    assert answer.text == ANSWER
    answer.assert_seamless()


@pytest.mark.requirement("C5", "P-1")
async def test_a_message_sent_without_a_connection_is_kept_and_arrives_once(
    instance: Instance, open_page: OpenPage
) -> None:
    await instance.first.play(Script(answer="Boats."))
    async with Link(instance.port) as link:
        chat = await open_page(link.url)
        await chat.send("One")
        await chat.ended()
        await link.down()
        await chat.connection(*INTERRUPTED)
        await chat.send("Two")
        await chat.send("Three")
        kept = chat.page.locator(".queued[data-state=unsent]")
        await expect(kept).to_have_count(2)
        await expect(kept.first).to_contain_text("It is kept here")
        ids = [await kept.nth(place).get_attribute("data-message-id") for place in range(2)]
        await link.up()
        await chat.ended(3)
        await expect(chat.page.locator(".queued")).to_have_count(0)
        asked = [message for message in await chat.messages() if message.role == "user"]
        assert [message.text for message in asked] == ["One", "Two", "Three"]
        assert [message.id for message in asked[1:]] == ids
        assert same(await chat.messages(), await instance.history(chat.session))


@pytest.mark.requirement("C5")
async def test_a_message_whose_acknowledgement_was_lost_is_one_message(instance: Instance, open_page: OpenPage) -> None:
    await instance.first.play(Script(answer="Boats."))
    async with Link(instance.port) as link:
        chat = await open_page(link.url)
        await chat.send("One")
        await chat.ended()
        posted = asyncio.Event()
        chat.page.on("request", lambda request: posted.set() if request.url.endswith("/messages") else None)
        await chat.send("Two")
        await posted.wait()
        link.cut()
        await chat.ended(2)
        await expect(chat.page.locator(".queued")).to_have_count(0)
        asked = [message.text for message in await chat.messages() if message.role == "user"]
        assert asked == ["One", "Two"]


async def test_a_first_message_outlives_a_reload_while_the_server_is_away(
    instance: Instance, open_page: OpenPage
) -> None:
    await instance.first.play(Script(answer="Boats."))
    chat = await open_page()
    await expect(chat.field).to_be_visible()
    await instance.kill()
    await chat.send("Are you there?")
    await expect(chat.page.locator(".queued[data-state=unsent]")).to_have_count(1)
    await instance.start()
    await chat.ended()
    await expect(chat.page.locator(".sessions li")).to_have_count(1)
    assert same(await chat.messages(), await instance.history(chat.session))


@pytest.mark.requirement("C8")
async def test_two_tabs_show_the_same(instance: Instance, open_page: OpenPage) -> None:
    await instance.first.play(Script(answer=ANSWER, token_s=0.02))
    one = await open_page()
    await one.send("What of the night?")
    await one.words_shown(3)
    two = await open_page(one.page.url, beside=one)
    await two.words_shown(3)
    await two.send("And then?")
    await one.ended(2)
    await two.ended(2)
    assert [(m.id, m.text, m.outcome, m.marks) for m in await one.messages()] == [
        (m.id, m.text, m.outcome, m.marks) for m in await two.messages()
    ]
    await expect(one.page.locator(".queued")).to_have_count(0)
    await expect(two.page.locator(".queued")).to_have_count(0)


@pytest.mark.requirement("C7")
async def test_another_log_makes_the_page_read_everything_again(instance: Instance, open_page: OpenPage) -> None:
    await instance.first.play(Script(answer="Boats."))
    chat = await open_page()
    await chat.send("One")
    await chat.ended()
    await instance.kill()
    instance.lose_log_id()
    await instance.start()
    await expect(chat.page.locator(".notice")).to_contain_text("read again")
    await chat.connection("live")
    await chat.send("Two")
    await chat.ended(2)
    assert same(await chat.messages(), await instance.history(chat.session))


@pytest.mark.requirement("P-7")
async def test_a_restart_is_announced_and_a_deleted_conversation_says_so(
    instance: Instance, open_page: OpenPage
) -> None:
    chat = await open_page()
    await chat.send("One")
    await chat.ended()
    await instance.stop()
    await chat.connection(*INTERRUPTED)
    await instance.start()
    await chat.connection("live")
    other = await open_page()
    await other.page.locator(".sessions li").hover()
    await other.page.get_by_role("button", name=re.compile("^Delete")).click()
    await other.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await chat.connection("ended")
    await expect(chat.page.locator(".notice")).to_contain_text("deleted")
