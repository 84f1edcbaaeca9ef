"""How others see an error."""

import json

import pytest

from yaoki.errors import (
    CLASS_OF,
    AIErrorContext,
    ModelAllFailedError,
    SecurityInputRejectedError,
    SessionNotFoundError,
    log_record,
    problem,
    status_of,
)

CANARY = "sk-canary0123456789abcdef"


def test_a_problem_document_has_the_rfcs_fields_and_ours() -> None:
    context = AIErrorContext(session_id="s1", trace_id="abc")
    error = ModelAllFailedError("None could answer.", retry_after_s=5, context=context, attempts=[{"model": "m"}])
    assert problem(error) == {
        "type": "urn:yaoki:error:model.all_failed",
        "title": "model all failed",
        "status": 503,
        "detail": "None could answer.",
        "kind": "model.all_failed",
        "category": "model",
        "severity": "high",
        "fault": "dependency",
        "retryable": True,
        "strategies": ["cached", "degrade", "escalate"],
        "retry_after_s": 5,
        "trace_id": "abc",
        "attempts": [{"model": "m"}],
    }


@pytest.mark.parametrize("cls", CLASS_OF.values())
def test_every_kind_has_a_status_and_fits_into_json(cls: type) -> None:
    document = problem(cls("x", odd={"an": object(), "set": {1}}))
    assert 400 <= document["status"] <= 599
    json.dumps(document)


def test_a_fact_named_status_wins() -> None:
    assert status_of(SecurityInputRejectedError("too long")) == 422
    assert status_of(SecurityInputRejectedError("too long", status=413)) == 413


def test_a_fact_never_replaces_a_field_of_the_document() -> None:
    assert problem(SessionNotFoundError("x", kind="forged"))["kind"] == "session.not_found"


@pytest.mark.requirement("X10")
def test_a_secret_is_in_no_form_of_an_error() -> None:
    error = SessionNotFoundError(
        f"GET https://me:{CANARY}@host with Bearer {CANARY} and api_key={CANARY}",
        context=AIErrorContext(operation=f"token: {CANARY}"),
        api_key=CANARY,
        nested={"Authorization": CANARY, "list": [f"key {CANARY}"], "x-api-key": CANARY},
        object=ValueError(CANARY),
        jwt="eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOjF9.c2ln",
        max_tokens=5,
    )
    for form in (problem(error), log_record(error)):
        text = json.dumps(form)
        assert CANARY not in text
        assert "eyJ" not in text
        assert form["max_tokens"] == 5


def test_a_log_record_has_the_context_and_the_types_of_the_causes() -> None:
    error = ModelAllFailedError("none", context=AIErrorContext(session_id="s1", operation="ask"))
    error.__cause__ = TimeoutError("secret wording")
    record = log_record(error)
    assert (record["session_id"], record["operation"], record["causes"]) == ("s1", "ask", ["builtins.TimeoutError"])
    assert "secret wording" not in json.dumps(record)
