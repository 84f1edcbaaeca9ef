"""The drawing, the classes and the table say the same."""

import pickle
import re
from textwrap import dedent

import pytest

from yaoki.errors import (
    CLASS_OF,
    KINDS,
    AIErrorCategory,
    AIErrorSeverity,
    AIOrchestrationError,
    AIRecoveryStrategy,
    CommunicationTimeoutError,
    Fault,
    ModelInferenceError,
    ModelTimeoutError,
    tree,
)

FAMILIES = {
    "model": "ModelInferenceError",
    "agent": "AgentExecutionError",
    "session": "SessionManagementError",
    "voice": "VoiceProcessingError",
    "memory": "MemoryOperationError",
    "security": "SecurityValidationError",
    "resource": "ResourceManagementError",
    "communication": "CommunicationError",
    "configuration": "ConfigurationError",
}


def drawn(cls: type, indent: str = "") -> list[str]:
    """The tree below a class, as the drawing shows it."""
    below = [child for child in cls.__subclasses__() if child.__module__ == tree.__name__]
    lines: list[str] = []
    for child in below:
        last = child is below[-1]
        lines.append(f"{indent}{'└' if last else '├'}── {child.__name__}")
        lines.extend(drawn(child, indent + ("    " if last else "│   ")))
    return lines


def test_the_drawing_shows_exactly_the_classes() -> None:
    assert tree.__doc__ is not None
    shown = dedent(tree.__doc__[tree.__doc__.index("\n") :]).strip().splitlines()
    assert shown == ["AIOrchestrationError", *drawn(AIOrchestrationError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_class_named_after_it(kind: str) -> None:
    family, _, slug = kind.partition(".")
    if slug:
        camel = "".join(word.capitalize() for word in slug.split("_"))
        assert CLASS_OF[kind].__name__ == f"{family.capitalize()}{camel}Error"
        assert CLASS_OF[kind].__mro__[1].__name__ == FAMILIES[family]
    else:
        assert CLASS_OF[kind].__name__ == FAMILIES[family]


def test_the_table_lists_every_kind_once_and_every_class_has_a_row() -> None:
    assert set(CLASS_OF) == set(KINDS)
    assert len(set(CLASS_OF.values())) == len(CLASS_OF)


def test_every_family_of_the_vocabulary_has_kinds() -> None:
    assert {row.category for row in KINDS.values()} == set(AIErrorCategory)


def test_every_strategy_fault_and_severity_is_used() -> None:
    assert {row.fault for row in KINDS.values()} == set(Fault)
    assert {row.severity for row in KINDS.values()} == set(AIErrorSeverity)
    used = {strategy for row in KINDS.values() for strategy in row.strategies}
    assert used == set(AIRecoveryStrategy)


@pytest.mark.requirement("P-8")
def test_an_error_carries_facts() -> None:
    error = ModelTimeoutError("No first token.", retry_after_s=3, phase="first_token")
    assert error.kind == "model.timeout"
    assert error.category is AIErrorCategory.MODEL
    assert error.severity is AIErrorSeverity.LOW
    assert error.fault is Fault.DEPENDENCY
    assert error.retryable
    assert error.strategies[0] is AIRecoveryStrategy.FAILOVER
    assert (error.retry_after_s, error.facts) == (3, {"phase": "first_token"})
    assert re.search("model.timeout", repr(error.row))


def test_a_family_alone_is_an_error_too() -> None:
    assert ModelInferenceError("something about a model").kind == "model"
    assert AIOrchestrationError("something").category is AIErrorCategory.AGENT


def test_a_timeout_is_also_what_plain_code_catches() -> None:
    with pytest.raises(TimeoutError, match="too late"):
        raise CommunicationTimeoutError("too late", phase="total")


def test_errors_survive_pickling() -> None:
    error = ModelTimeoutError("late", retry_after_s=1, phase="idle")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.message, copy.facts, copy.retry_after_s) == (ModelTimeoutError, "late", error.facts, 1)
