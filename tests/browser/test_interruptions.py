"""What a person sees while something breaks between the page and its answer."""

import asyncio
import re
import signal
import sqlite3
from contextlib import closing

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import same
from tests.browser.conftest import BROWSER_TEST, OpenPage
from tests.faults.harness import Stage
from yaoki.faults import ANSWER, FaultProxy, Link, Script

pytestmark = [*BROWSER_TEST, pytest.mark.timeout(120)]

INTERRUPTED = ("interrupted", "reconnecting")


def proxied(stage: Stage) -> FaultProxy:
    """The network between the page and the server."""
    return FaultProxy(f"127.0.0.1:{stage.server.port}")


async def take_down(link: FaultProxy) -> None:
    """Break every connection and refuse new ones."""
    await link.play(Link(refuse=True))
    link.reset()


def boot_elsewhere(stage: Stage) -> None:
    """Leave the store as an unclean end of the whole machine would: the next start gives the log another id."""
    with closing(sqlite3.connect(stage.server.database)) as database, database:
        database.execute("UPDATE yaoki_meta SET value = 'of-an-earlier-boot' WHERE key = 'boot'")


@pytest.mark.requirement("C10", "P-3")
async def test_a_cut_stream_is_said_and_resumed(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=ANSWER, token_s=0.03))
    async with proxied(stage) as link:
        chat = await open_page(f"http://{link.address}")
        await chat.send("What of the night?")
        await chat.words_shown(5)
        await take_down(link)
        await chat.connection(*INTERRUPTED)
        await expect(chat.answers).to_contain_text("Interrupted.")
        await expect(chat.page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
        await link.play()
        await chat.connection("live")
        await expect(chat.answers).not_to_contain_text("Interrupted.")
        for _ in range(3):
            await chat.words_shown(len((await chat.messages())[-1].text.split()) + 5)
            link.reset()
        await chat.ended()
        answer = (await chat.messages())[-1]
        assert answer.text == ANSWER
        answer.assert_seamless()
        assert same(await chat.messages(), await stage.history(chat.session))


@pytest.mark.requirement("C10")
async def test_stop_without_a_connection_stops_once_it_is_back(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=ANSWER * 4, token_s=0.05))
    async with proxied(stage) as link:
        chat = await open_page(f"http://{link.address}")
        await chat.send("What of the night?")
        await chat.words_shown(3)
        await take_down(link)
        await chat.connection(*INTERRUPTED)
        await chat.page.get_by_role("button", name="Stop", exact=True).click()
        await expect(chat.page.locator(".hint")).to_contain_text("Stops as soon as the connection is back.")
        await link.play()
        await chat.ended(outcome="cancelled")
        assert same(await chat.messages(), await stage.history(chat.session))


@pytest.mark.requirement("C10", "P-7")
async def test_two_missed_heartbeats_are_an_interruption(stage: Stage, open_page: OpenPage) -> None:
    async with proxied(stage) as link:
        chat = await open_page(f"http://{link.address}")
        await chat.send("What of the night?")
        await chat.ended()
        await chat.page.wait_for_timeout(1_200)  # real time: the page learns the rhythm of the heartbeats
        await link.play(Link(frozen=True))
        await chat.connection(*INTERRUPTED)
        await link.play()
        await chat.connection("live")


@pytest.mark.requirement("P2", "P-1", "P-3")
async def test_the_same_page_reads_the_same_answer_over_a_killed_server(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=ANSWER, token_s=0.04))
    chat = await open_page()
    await chat.send("What of the night?")
    await chat.words_shown(8)
    await stage.server.kill()
    await chat.connection(*INTERRUPTED)
    half = (await chat.messages())[-1]
    await stage.server.start()
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
    history = await stage.history(chat.session)
    assert same([question, answer], history)
    await chat.page.reload()
    await chat.ended()
    assert same(await chat.messages(), history)


async def test_a_reload_in_the_middle_of_an_answer_goes_on_with_it(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=ANSWER, token_s=0.03))
    chat = await open_page()
    await chat.send("What of the night?")
    await chat.words_shown(8)
    await chat.page.reload()
    await chat.ended()
    answer = (await chat.messages())[-1]
    assert answer.text == ANSWER
    answer.assert_seamless()


@pytest.mark.requirement("C5", "P-1")
async def test_a_message_sent_without_a_connection_is_kept_and_arrives_once(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer="Boats."))
    async with proxied(stage) as link:
        chat = await open_page(f"http://{link.address}")
        await chat.send("One")
        await chat.ended()
        await take_down(link)
        await chat.connection(*INTERRUPTED)
        await chat.send("Two")
        await chat.send("Three")
        kept = chat.page.locator(".queued[data-state=unsent]")
        await expect(kept).to_have_count(2)
        await expect(kept.first).to_contain_text("It is kept here")
        ids = [await kept.nth(place).get_attribute("data-message-id") for place in range(2)]
        await link.play()
        await chat.ended(3)
        await expect(chat.page.locator(".queued")).to_have_count(0)
        asked = [message for message in await chat.messages() if message.role == "user"]
        assert [message.text for message in asked] == ["One", "Two", "Three"]
        assert [message.id for message in asked[1:]] == ids
        assert same(await chat.messages(), await stage.history(chat.session))


@pytest.mark.requirement("C5")
async def test_a_message_whose_acknowledgement_was_lost_is_one_message(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer="Boats."))
    async with proxied(stage) as link:
        chat = await open_page(f"http://{link.address}")
        await chat.send("One")
        await chat.ended()
        posted = asyncio.Event()
        chat.page.on("request", lambda request: posted.set() if request.url.endswith("/messages") else None)
        await chat.send("Two")
        await posted.wait()
        link.reset()
        await chat.ended(2)
        await expect(chat.page.locator(".queued")).to_have_count(0)
        asked = [message.text for message in await chat.messages() if message.role == "user"]
        assert asked == ["One", "Two"]


async def test_a_first_message_outlives_a_reload_while_the_server_is_away(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer="Boats."))
    chat = await open_page()
    await expect(chat.field).to_be_visible()
    await stage.server.kill()
    await chat.send("Are you there?")
    await expect(chat.page.locator(".queued[data-state=unsent]")).to_have_count(1)
    await stage.server.start()
    await chat.ended()
    await expect(chat.page.locator(".sessions li")).to_have_count(1)
    assert same(await chat.messages(), await stage.history(chat.session))


@pytest.mark.requirement("C8")
async def test_two_tabs_show_the_same(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer=ANSWER, token_s=0.02))
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
async def test_another_log_makes_the_page_read_everything_again(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer="Boats."))
    chat = await open_page()
    await chat.send("One")
    await chat.ended()
    await stage.server.kill()
    boot_elsewhere(stage)
    await stage.server.start()
    await expect(chat.page.locator(".notice")).to_contain_text("read again")
    await chat.connection("live")
    await chat.send("Two")
    await chat.ended(2)
    assert same(await chat.messages(), await stage.history(chat.session))


@pytest.mark.requirement("P-7")
async def test_a_restart_is_announced_and_a_deleted_conversation_says_so(stage: Stage, open_page: OpenPage) -> None:
    chat = await open_page()
    await chat.send("One")
    await chat.ended()
    stage.server.signal(signal.SIGTERM)
    await stage.server.ended()
    await chat.connection(*INTERRUPTED)
    await stage.server.start()
    await chat.connection("live")
    other = await open_page()
    await other.page.locator(".sessions li").hover()
    await other.page.get_by_role("button", name=re.compile("^Delete")).click()
    await other.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await chat.connection("ended")
    await expect(chat.page.locator(".notice")).to_contain_text("deleted")
