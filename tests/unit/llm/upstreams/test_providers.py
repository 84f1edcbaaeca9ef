"""Providers by pydantic-ai's names: what is missing is said before anything is served."""

from importlib.metadata import metadata
from typing import get_args

import pytest

from yaoki.errors import ConfigurationMissingExtraError
from yaoki.llm.upstreams.providers import provider_upstream
from yaoki.llm.upstreams.sdks import SDKS
from yaoki.settings.model_settings import ModelSettings


@pytest.mark.parametrize("provider", SDKS)
def test_a_provider_without_its_sdk_says_what_to_install(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SDKS, provider, "no_such_package.module")
    with pytest.raises(ConfigurationMissingExtraError) as missing:
        provider_upstream(provider, model="m", api_key="k")
    assert missing.value.message == f"Models of {provider!r} need its SDK: pip install 'yaoki[{provider}]'"
    assert missing.value.facts["extra"] == provider


def test_every_provider_has_an_extra_of_its_name() -> None:
    extras = metadata("yaoki").get_all("Provides-Extra") or []
    assert set(SDKS) <= set(extras)


async def test_one_model_each_is_built_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://elsewhere.example")
    upstream = provider_upstream("anthropic", model="claude-sonnet-4-6")
    assert upstream.verified
    assert upstream.model.base_url == "https://api.anthropic.com"
    await upstream.aclose()


def test_every_provider_of_the_settings_has_its_sdk_named() -> None:
    assert set(get_args(ModelSettings.model_fields["provider"].annotation)) == {"openai", "local", *SDKS}
