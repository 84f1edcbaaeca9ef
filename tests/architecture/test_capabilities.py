"""The page of capabilities is the acceptance suite, told."""

from tests.capabilities import PAGE, page


def test_the_page_of_capabilities_is_what_the_suite_proves() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.capabilities"
