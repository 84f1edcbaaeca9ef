"""Headers: those that protect whoever shows our answers, and those of a request."""

from starlette.types import Scope

_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
API_HEADERS = {
    **_EVERYWHERE,
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""For data: it may neither be shown as a page nor kept."""

PAGE_HEADERS = {
    **_EVERYWHERE,
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types lit-html dompurify"
    ),
}
"""For our pages: nothing inline, nothing from elsewhere."""


def first_headers(scope: Scope) -> dict[bytes, bytes]:
    """A request's headers by their names in lower case; of several with one name the first."""
    return dict(reversed(scope["headers"]))
