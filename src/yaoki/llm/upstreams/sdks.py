"""What providers that do not speak OpenAI need installed. Imports none of it."""

from importlib.util import find_spec

from yaoki.errors import ConfigurationMissingExtraError

SDKS = {
    "anthropic": "anthropic",
    "google": "google.genai",
    "groq": "groq",
    "mistral": "mistralai",
    "cohere": "cohere",
    "bedrock": "boto3",
}
"""Providers, and the module that each needs; the extra that brings it has the provider's name."""
ANTHROPIC_URL = "https://api.anthropic.com"


def missing_sdk(provider: str) -> ConfigurationMissingExtraError | None:
    """The error of a provider whose SDK is not installed, which says what to install; None if it is.

    Args:
        provider: One of `SDKS`.
    """
    module = SDKS[provider]
    try:
        if find_spec(module) is not None:
            return None
    except ModuleNotFoundError:
        pass  # its parent is not there either
    return ConfigurationMissingExtraError(
        f"Models of {provider!r} need its SDK: pip install 'yaoki[{provider}]'", extra=provider, missing=module
    )
