"""Providers by pydantic-ai's names: what is missing is said before anything is served."""

from typing import get_args

import pytest

from yaoki.errors import ConfigurationMissingExtraError
from yaoki.llm.providers import provider_upstream
from yaoki.llm.sdks import SDKS
from yaoki.settings.model_settings import ModelSettings


@pytest.mark.parametrize("provider", [name for name in SDKS if name != "anthropic"])
def test_a_provider_without_its_sdk_says_what_to_install(provider: str) -> None:
    with pytest.raises(ConfigurationMissingExtraError) as missing:
        provider_upstream(provider, model="m", api_key="k")
    assert f"pip install 'pydantic-ai-slim[{provider}]'" in missing.value.message
    assert missing.value.facts["extra"] == provider


def test_our_own_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SDKS, "anthropic", "no_such_module")
    with pytest.raises(ConfigurationMissingExtraError, match=r"pip install 'yaoki\[anthropic\]'"):
        provider_upstream("anthropic", model="m", api_key="k")


async def test_one_model_each_is_built_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://elsewhere.example")
    upstream = provider_upstream("anthropic", model="claude-sonnet-4-6")
    assert upstream.verified
    assert upstream.model.base_url == "https://api.anthropic.com"
    await upstream.aclose()


def test_every_provider_of_the_settings_has_its_sdk_named() -> None:
    assert set(get_args(ModelSettings.model_fields["provider"].annotation)) == {"openai", "local", *SDKS}
