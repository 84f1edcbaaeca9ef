"""The examination of models: each configured one by a cheap check, and what could be configured besides."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import httpx2

from yaoki.cli.doctor import local_models
from yaoki.cli.doctor.findings import Finding, failure, note, ok, warning
from yaoki.llm.upstreams.sdks import ANTHROPIC_URL, missing_sdk
from yaoki.llm.wire.connections import OPENAI_URL
from yaoki.settings import ModelSettings, Settings

OLLAMA = "http://127.0.0.1:11434"

_TIMEOUT_S = 5.0
_OFFER_TIMEOUT_S = 1.0

_PROVIDER_KEYS: Mapping[str, str] = {
    "OPENAI_API_KEY": "",
    "DEEPSEEK_API_KEY": "https://api.deepseek.com/v1",
    "GEMINI_API_KEY": "https://generativelanguage.googleapis.com/v1beta/openai",
    "GROQ_API_KEY": "https://api.groq.com/openai/v1",
    "MISTRAL_API_KEY": "https://api.mistral.ai/v1",
    "OPENROUTER_API_KEY": "https://openrouter.ai/api/v1",
}
"""Where the providers speak OpenAI's protocol, by the variable that usually holds their key."""
_ANTHROPIC_KEY = "ANTHROPIC_API_KEY"


async def models(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """One finding for each model that an agent may come to, and one for each agent that none of them would answer."""
    wanted = list(dict.fromkeys(name for agent in settings.agents.values() for name in settings.chain_of(agent.model)))
    local = [name for name in wanted if settings.models[name].provider == "local"]
    remote = [name for name in wanted if name not in local]
    grounds = await local_models.grounds(settings, local)
    answers = await asyncio.gather(*(_remote(f"model {name}", settings.models[name], environ) for name in remote))
    found = {**await local_models.embedded(settings, local), **dict(zip(remote, answers, strict=True))}
    dead = [
        failure(f"agent {name}", "none of its models would answer.", "Put at least one of them right.")
        for name, agent in settings.agents.items()
        if all(found[model].status != "ok" for model in settings.chain_of(agent.model))
    ]
    idle = [note(f"model {name}", "no agent uses it") for name in settings.models if name not in wanted]
    return [*grounds, *(found[name] for name in wanted), *idle, *dead]


async def offers(settings: Settings, environ: Mapping[str, str], *, ollama: str = OLLAMA) -> list[Finding]:
    """What is there and not used: said, never used silently."""
    found: list[Finding] = []
    if not any(model.base_url.startswith(ollama) for model in settings.models.values()):
        names = await _served_by(ollama)
        if names:
            remedy = f'[models."{names[0]}"] provider = "openai", model = "{names[0]}", base_url = "{ollama}/v1"'
            found.append(note("offer", f"Ollama runs here with {', '.join(names[:5])}", f"To use it: {remedy}"))
    used = settings.secret_variables()
    for variable, base_url in _PROVIDER_KEYS.items():
        if environ.get(variable) and variable not in used:
            where = f', base_url = "{base_url}"' if base_url else ""
            remedy = f'To use it: [models.NAME] provider = "openai", model = "…", api_key_env = "{variable}"{where}'
            found.append(note("offer", f"{variable} is set", remedy))
    if environ.get(_ANTHROPIC_KEY) and _ANTHROPIC_KEY not in used:
        remedy = f'To use it: [models.NAME] provider = "anthropic", model = "…", api_key_env = "{_ANTHROPIC_KEY}"'
        found.append(note("offer", f"{_ANTHROPIC_KEY} is set", remedy))
    return found


async def _remote(part: str, model: ModelSettings, environ: Mapping[str, str]) -> Finding:
    """Ask the provider which models it has: it costs nothing and tries address, key and name."""
    key = environ.get(model.api_key_env, "")
    match model.provider:
        case "openai":
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            return await _listed(part, model, (model.base_url or OPENAI_URL).rstrip("/"), headers)
        case "anthropic" if missing_sdk("anthropic") is None:
            headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
            return await _listed(part, model, (model.base_url or ANTHROPIC_URL).rstrip("/") + "/v1", headers)
        case provider:
            missing = missing_sdk(provider)
            if missing is not None:
                return failure(part, missing.message, "Install it, or name a model of a provider that speaks OpenAI.")
            return ok(part, f"the SDK of {provider} is here; whether the key is good shows with the first answer")


async def _listed(part: str, model: ModelSettings, base_url: str, headers: dict[str, str]) -> Finding:
    """Look for a model in what its provider lists."""
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, headers=headers) as http:
            response = await http.get(f"{base_url}/models")
    except httpx2.HTTPError as error:
        return warning(
            part, f"{base_url} cannot be reached ({type(error).__name__}).", "Start it, or correct base_url."
        )
    if response.status_code in (401, 403):
        said = f"refuses the key in {model.api_key_env}" if model.api_key_env else "wants a key"
        return warning(
            part, f"{base_url} {said} ({response.status_code}).", "Name the variable of a valid key in api_key_env."
        )
    if response.status_code == 404:
        return ok(part, f"{base_url} answers; it does not list its models")
    names = _names_in(response)
    if names is None:
        remedy = "Correct base_url: it usually ends in /v1."
        return warning(part, f"{base_url} answers {response.status_code} with something else than models.", remedy)
    if model.model not in names and model.model not in {known.partition(":")[0] for known in names}:
        remedy = f"Correct model. There are: {', '.join(names[:8]) or 'none'}."
        return warning(part, f'{base_url} does not have "{model.model}".', remedy)
    return ok(part, f"{base_url} has {model.model}")


async def _served_by(address: str) -> list[str]:
    try:
        async with httpx2.AsyncClient(timeout=_OFFER_TIMEOUT_S, trust_env=False) as http:
            return _names_in(await http.get(f"{address}/v1/models")) or []
    except httpx2.HTTPError:
        return []


def _names_in(response: httpx2.Response) -> list[str] | None:
    """The ids of an OpenAI list of models; None if it is not one."""
    try:
        document: Any = response.json()
        rows = cast("list[dict[str, Any]]", document["data"])
        return [str(row["id"]) for row in rows]
    except (ValueError, KeyError, TypeError):
        return None
