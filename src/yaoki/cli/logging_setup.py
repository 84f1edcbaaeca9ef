"""Logging: structlog for everybody, readable on a terminal, JSON lines for machines, without secrets in either."""

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from yaoki.cli.log_writer import LogWriter

_MASK = "***"
_MIN_SECRET_CHARS = 4
_CHATTY = ("alembic", "httpcore2", "httpx2", "openai", "uvicorn")
"""Libraries that tell each step at INFO, where we tell what matters."""


def set_up_logging(
    *,
    json_lines: bool = False,
    level: int = logging.INFO,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    patient: bool = True,
) -> None:
    """Send every log record, also of other libraries, to one stream.

    Args:
        json_lines: One JSON object per line instead of text for people.
        level: Records below it are dropped.
        secrets: Values that are masked wherever they appear, in tracebacks too. See `secret_values`.
        stream: The standard error by default.
        patient: Wait until each line is taken. A server must not: see `log_writer`.
    """
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if json_lines:
        rendering: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback  # the rich one prints local variables
        rendering = [structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain)]
    formatter = ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[ProcessorFormatter.remove_processors_meta, *rendering, Redaction(secrets)],
    )
    handler = logging.StreamHandler(out) if patient else LogWriter(out)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if level == logging.INFO else logging.NOTSET)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def secret_values(variables: Iterable[str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """The values of the environment variables that hold keys."""
    return [environ[name] for name in variables if environ.get(name)]


class Redaction:
    """The last processor: masks secrets in the finished line, so nothing that an earlier step adds can slip past."""

    def __init__(self, secrets: Iterable[str]) -> None:
        long_enough = {secret for secret in secrets if len(secret) >= _MIN_SECRET_CHARS}
        spellings = long_enough | {json.dumps(secret)[1:-1] for secret in long_enough}
        self._spellings = sorted(spellings, key=len, reverse=True)

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict | str) -> str:
        """The line without secrets."""
        text = str(line)
        for secret in self._spellings:
            text = text.replace(secret, _MASK)
        return text
