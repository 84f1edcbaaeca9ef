"""`yaoki doctor`: what is configured, what works, and what to do about the rest."""

import asyncio
import json
import os
from collections.abc import Mapping

from yaoki.cli.doctor import keys, machine, models
from yaoki.cli.doctor.findings import Finding, failure, ok
from yaoki.cli.globals import Globals
from yaoki.cli.outcome import FAILED, OK, say
from yaoki.errors import ConfigurationError
from yaoki.settings import Settings


def doctor(options: Globals, *, as_json: bool, environ: Mapping[str, str] = os.environ) -> int:
    """Examine and report.

    Returns:
        0 if everything that is needed works, else 1.
    """
    findings = asyncio.run(examine(options, environ))
    healthy = all(finding.status != "failure" for finding in findings)
    if as_json:
        say(json.dumps({"healthy": healthy, "findings": [f.as_dict() for f in findings]}, ensure_ascii=False))
        return OK if healthy else FAILED
    for finding in findings:
        say(finding.line())
    failures = sum(finding.status == "failure" for finding in findings)
    say("\nReady: yaoki serve, or yaoki chat." if healthy else f"\n{failures} of these must be put right first.")
    return OK if healthy else FAILED


async def examine(options: Globals, environ: Mapping[str, str]) -> list[Finding]:
    """Every finding, in the order in which a start needs the parts."""
    try:
        settings = options.settings()
    except ConfigurationError as error:
        return [failure("settings", line, "Correct it, then ask again.") for line in error.message.splitlines()]
    findings = [_settings(settings)]
    findings += [
        failure("settings", str(problem), "Nothing starts without it.") for problem in settings.missing(environ)
    ]
    findings += await machine.store(settings)
    findings += await machine.server(settings)
    findings += await keys.keys(settings)
    findings += await models.models(settings, environ)
    findings += await models.offers(settings, environ)
    return findings


def _settings(settings: Settings) -> Finding:
    source = str(settings.source) if settings.source else "no file: the defaults"
    agents = ", ".join(f"{name} on {' → '.join(settings.chain_of(a.model))}" for name, a in settings.agents.items())
    return ok("settings", f"{source}; {agents}")
