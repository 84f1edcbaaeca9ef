"""The examination of embedded models: processor, runtime, weights, and one short answer from a process of its own."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from yaoki.cli.doctor.findings import Finding, failure, ok, warning
from yaoki.errors import AIOrchestrationError
from yaoki.llm.local import LocalModel, LocalModelPolicy, weights
from yaoki.llm.local.preflight import require_processor, require_runtime
from yaoki.settings import Settings

_START_S = 60.0
_ANSWER_S = 30.0


async def embedded(settings: Settings, names: list[str]) -> dict[str, Finding]:
    """One finding for each embedded model by its name. Those that are alike are tried once."""
    tried: dict[LocalModelPolicy, str] = {}
    findings: dict[str, Finding] = {}
    for name in names:
        policy = settings.models[name].local_policy(settings.data_dir)
        part = f"model {name}"
        if policy not in tried:
            findings[name] = await _try_out(part, name, policy)
            tried[policy] = name
        elif findings[tried[policy]].status == "ok":
            findings[name] = ok(part, f"the same as {tried[policy]}, in a process of its own")
        else:
            findings[name] = warning(part, f"the same as {tried[policy]}.", f"See {tried[policy]}.")
    return findings


async def grounds(settings: Settings, names: list[str]) -> list[Finding]:
    """What embedded models stand on: the processor, the runtime, the weights as a whole."""
    if not names:
        return []
    findings = [
        _required("processor", require_processor, "has what embedded models need"),
        _required("runtime", require_runtime, "xllamacpp is installed"),
    ]
    if any(not settings.models[name].path for name in names):
        findings.append(await asyncio.to_thread(_weights, settings.data_dir))
    return findings


def _required(part: str, check: Callable[[], None], found: str) -> Finding:
    try:
        check()
    except AIOrchestrationError as error:
        return warning(part, error.message)
    return ok(part, found)


def _weights(data_dir: Path) -> Finding:
    """Read every byte, whatever is remembered of an earlier check."""
    try:
        path = weights.require(weights.SMOLLM2, data_dir)
        intact = weights.check(weights.SMOLLM2, path, None)
    except AIOrchestrationError as error:
        return warning("weights", error.message)
    except OSError as error:
        return warning("weights", f"the file cannot be read: {error.strerror}.", f"Run: {weights.INSTALL}")
    if not intact:
        return failure("weights", f"{path} is damaged: its SHA-256 is not the expected one.", f"Run: {weights.INSTALL}")
    return ok("weights", f"{path}; the SHA-256 is the expected one")


async def _try_out(part: str, name: str, policy: LocalModelPolicy) -> Finding:
    try:
        async with LocalModel(name, policy) as model:
            await model.wait_ready(_START_S)
            answers = bool(await _answer(model))
    except AIOrchestrationError as error:
        return warning(part, error.message)
    except (httpx2.HTTPError, ValueError, LookupError, TypeError):
        answers = False
    if not answers:
        return warning(part, "it starts and does not answer.", "Try another GGUF file.")
    return ok(part, "it starts and answers")


async def _answer(model: LocalModel) -> str:
    body = {"model": model.name, "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}
    headers = {"Authorization": f"Bearer {model.api_key}"}
    async with httpx2.AsyncClient(timeout=_ANSWER_S, trust_env=False, headers=headers) as http:
        response = await http.post(f"{model.base_url}/chat/completions", json=body)
        response.raise_for_status()
        answer: Any = response.json()
        return str(answer["choices"][0]["message"]["content"])
