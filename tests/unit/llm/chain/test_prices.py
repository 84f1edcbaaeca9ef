"""List prices come from the table; nothing is made up for models that it does not know."""

import pytest

from yaoki.llm.chain.prices import free, list_price
from yaoki.llm.wire.connections import OPENAI_URL


def test_a_known_model_has_a_price_for_prompt_and_answer() -> None:
    price = list_price("gpt-4o-mini", OPENAI_URL)
    assert price(1_000_000, 0) == pytest.approx(0.15)
    assert price(0, 1_000_000) == pytest.approx(0.60)


@pytest.mark.parametrize("model, url", [("gpt-4o-mini", "http://127.0.0.1:11434/v1"), ("no-such-model", OPENAI_URL)])
def test_an_unknown_one_has_none(model: str, url: str) -> None:
    assert list_price(model, url)(10, 10) is None


def test_a_model_on_this_machine_costs_nothing() -> None:
    assert free(10_000, 10_000) == 0.0
