"""Where an error happened."""

import asyncio
import pickle

import pytest

from yaoki.errors import AIErrorContext, ModelEmptyError, bind, current


def test_an_error_carries_what_was_bound_around_it() -> None:
    with bind(session_id="s1", conversation_turn="t1"), bind(tool_name="clock"):
        error = ModelEmptyError("nothing")
    assert error.context == AIErrorContext(session_id="s1", conversation_turn="t1", tool_name="clock")
    assert current() == AIErrorContext()
    assert ModelEmptyError("nothing").context.as_dict() == {}


def test_a_context_of_its_own_wins() -> None:
    with bind(session_id="s1"):
        assert ModelEmptyError("x", context=AIErrorContext(operation="o")).context.as_dict() == {"operation": "o"}


def test_binding_ends_with_an_exception_too() -> None:
    with pytest.raises(ValueError, match="inside"), bind(operation="o"):
        raise ValueError("inside")
    assert current().operation is None


async def test_tasks_inherit_it_and_do_not_disturb_each_other() -> None:
    async def inner(name: str) -> tuple[str | None, str | None]:
        with bind(tool_name=name):
            await asyncio.sleep(0)
            return current().session_id, current().tool_name

    with bind(session_id="s1"):
        assert await asyncio.gather(inner("a"), inner("b")) == [("s1", "a"), ("s1", "b")]


def test_an_unknown_fact_is_refused() -> None:
    with pytest.raises(TypeError, match="nonsense"), bind(nonsense=1):
        pass


def test_it_is_a_frozen_value() -> None:
    context = AIErrorContext(operation="o")
    with pytest.raises(AttributeError, match="frozen"):
        context.operation = "p"
    with pytest.raises(AttributeError, match="frozen"):
        del context.operation
    assert hash(context) == hash(AIErrorContext(operation="o"))
    assert context != AIErrorContext()
    assert pickle.loads(pickle.dumps(context)) == context
