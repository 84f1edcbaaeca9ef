"""Pages that are made of the tests say what the tests say now."""

from tests import capabilities, provider_table, rows


def test_the_page_of_capabilities_is_what_the_suite_proves() -> None:
    assert capabilities.PAGE.read_text() == capabilities.page(), "run python -m tests.capabilities"


def test_the_page_of_rows_is_what_the_marks_say() -> None:
    assert rows.PAGE.read_text() == rows.page(), "run python -m tests.rows"


async def test_the_page_of_providers_is_what_they_are_and_what_is_played() -> None:
    assert provider_table.PAGE.read_text() == provider_table.page(), "run python -m tests.provider_table"
