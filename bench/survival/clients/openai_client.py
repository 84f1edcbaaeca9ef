"""The openai SDK's client as its users make it; only the certificates, which nobody needs here, are read once."""

import ssl

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from bench.survival.asking import TIMEOUT_S

_TLS = ssl.create_default_context()


def openai_client(base_url: str, timeout_s: float = TIMEOUT_S) -> AsyncOpenAI:
    """A client of its own for each question; its retries are the SDK's own, two."""
    return AsyncOpenAI(
        base_url=base_url, api_key="k", timeout=timeout_s, http_client=DefaultAsyncHttpxClient(verify=_TLS)
    )
