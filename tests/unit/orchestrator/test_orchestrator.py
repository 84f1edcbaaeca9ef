"""The façade, over a real store and a real runner."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.turns.instance import OWNER, Instance
from yaoki.errors import (
    ResourceOverloadedError,
    SecurityInputRejectedError,
    SessionConflictError,
    SessionNotFoundError,
)
from yaoki.faults import ScriptedProvider


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    async with ScriptedProvider() as provider:
        instance = await Instance.start(tmp_path / "yaoki.db", [provider])
        yield instance
        await instance.aclose()


async def test_sessions_come_newest_activity_first_and_page_by_page(instance: Instance) -> None:
    ids = [(await instance.session()).id for _ in range(5)]
    await instance.ask(await instance.orchestrator.session(OWNER, ids[1]))
    first = await instance.orchestrator.sessions(OWNER, limit=2)
    assert [session.id for session in first] == [ids[1], ids[4]]
    rest = await instance.orchestrator.sessions(OWNER, before=ids[4])
    assert [session.id for session in rest] == [ids[3], ids[2], ids[0]]
    assert await instance.orchestrator.sessions("other") == []


async def test_a_session_is_named_after_its_first_message_until_somebody_names_it(instance: Instance) -> None:
    session = await instance.session()
    await instance.ask(session, "  Why is\nthe sky blue? " + "And the sea? " * 20)
    titled = await instance.orchestrator.session(OWNER, session.id)
    assert titled.title.startswith("Why is the sky blue? And the sea?")
    assert len(titled.title) <= 81
    await instance.orchestrator.rename_session(OWNER, session.id, "Colours")
    await instance.ask(session, "And grass?")
    assert (await instance.orchestrator.session(OWNER, session.id)).title == "Colours"


async def test_unknown_agents_and_types_are_refused_by_name(instance: Instance) -> None:
    with pytest.raises(SecurityInputRejectedError, match="no agent 'nobody'") as refused:
        await instance.orchestrator.create_session(OWNER, agent="nobody")
    assert refused.value.facts["field"] == "agent"
    with pytest.raises(SecurityInputRejectedError, match="type 'fax'"):
        await instance.orchestrator.create_session(OWNER, "fax")


async def test_another_owner_sees_nothing(instance: Instance) -> None:
    session = await instance.session()
    for attempt in (
        instance.orchestrator.send("other", session.id, "hello"),
        instance.orchestrator.cancel("other", session.id),
        instance.orchestrator.transcript("other", session.id),
        instance.orchestrator.tail("other", session.id, 0),
        instance.orchestrator.delete_session("other", session.id),
        instance.orchestrator.close_session("other", session.id),
        instance.orchestrator.recover_session("other", session.id),
    ):
        with pytest.raises(SessionNotFoundError):
            await attempt


async def test_while_it_drains_new_messages_are_sent_away_and_readiness_says_so(instance: Instance) -> None:
    session = await instance.session()
    assert (await instance.orchestrator.readiness()).ready
    instance.orchestrator.draining = True
    with pytest.raises(ResourceOverloadedError) as refused:
        await instance.orchestrator.send(OWNER, session.id, "hello")
    assert refused.value.retry_after_s
    readiness = await instance.orchestrator.readiness()
    assert (readiness.ready, readiness.checks["intake"]) == (False, "draining")


async def test_only_a_turn_that_failed_is_taken_up_again(instance: Instance) -> None:
    session = await instance.session()
    with pytest.raises(SessionConflictError):
        await instance.orchestrator.recover_session(OWNER, session.id)
    await instance.ask(session)
    with pytest.raises(SessionConflictError):
        await instance.orchestrator.recover_session(OWNER, session.id)
