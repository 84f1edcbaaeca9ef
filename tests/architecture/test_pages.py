"""Pages that are made of the tests say what the tests say now."""

from tests import capabilities, rows


def test_the_page_of_capabilities_is_what_the_suite_proves() -> None:
    assert capabilities.PAGE.read_text() == capabilities.page(), "run python -m tests.capabilities"


def test_the_page_of_rows_is_what_the_marks_say() -> None:
    assert rows.PAGE.read_text() == rows.page(), "run python -m tests.rows"
