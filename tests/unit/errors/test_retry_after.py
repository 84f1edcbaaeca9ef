"""What the other side says about waiting."""

from types import SimpleNamespace

import pytest

from yaoki.errors.retry_after import parse_retry_after, retry_after_of

DATE = "Mon, 02 Nov 2026 10:00:00 GMT"
LATER = "Mon, 02 Nov 2026 10:01:30 GMT"


@pytest.mark.parametrize(
    "headers, expected",
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": LATER, "date": DATE}, 90.0),
        ({"retry-after": DATE, "date": LATER}, 0.0),
        ({"retry-after": LATER}, None),
        ({"retry-after": "soon", "date": DATE}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_headers(headers: dict[str, str], expected: float | None) -> None:
    assert parse_retry_after(headers) == expected


def test_an_exception_says_it_itself_or_by_its_headers() -> None:
    asked, by_headers, by_response = RuntimeError(), RuntimeError(), RuntimeError()
    asked.retry_after = 4
    by_headers.headers = {"retry-after": "5"}
    by_response.response = SimpleNamespace(headers={"retry-after": "6"})
    assert [retry_after_of(error) for error in (asked, by_headers, by_response)] == [4, 5, 6]
    assert retry_after_of(RuntimeError()) is None
