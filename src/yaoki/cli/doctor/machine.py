"""The examination of what this machine gives: the database, the address."""

import asyncio
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yaoki.cli.client import Client
from yaoki.cli.doctor.findings import Finding, failure, ok, warning
from yaoki.errors import AIOrchestrationError
from yaoki.settings import Settings
from yaoki.store.lock import holder_of
from yaoki.store.store import open_store

_ROOM_BYTES = 200_000_000


async def store(settings: Settings) -> list[Finding]:
    """The database, opened for reading only, and the room it has to grow."""
    path = settings.store.path
    exists, folder = await asyncio.to_thread(_whereabouts, path)
    findings = [await _database(path) if exists else _future_database(path, folder)]
    free = shutil.disk_usage(folder).free
    if free < _ROOM_BYTES:
        remedy = "Make room: without any, no message is taken."
        findings.append(warning("disk", f"{free // 1_000_000} MB are left in {folder}.", remedy))
    return findings


def _whereabouts(path: Path) -> tuple[bool, Path]:
    """Whether the file exists, and the nearest folder to it that does."""
    return path.exists(), next(parent for parent in path.parents if parent.is_dir())


def _future_database(path: Path, folder: Path) -> Finding:
    if not os.access(folder, os.W_OK):
        return failure("store", f"{path} cannot be created in {folder}.", "Give it another place in store.url.")
    return ok("store", f"{path} will be created at the first start")


async def _database(path: Path) -> Finding:
    try:
        opened = await open_store(path, "reader")
    except AIOrchestrationError as error:
        return failure("store", error.message, "Restore it, or give another one in store.url.")
    await opened.aclose()
    return ok("store", str(path))


async def server(settings: Settings) -> list[Finding]:
    """Who runs the database, and whether the address is free for us."""
    holder = holder_of(settings.store.path)
    if holder is not None:
        pid, address = holder
        return [await _running(pid, address or settings.server.url)]
    taken = _why_not_free(settings.server.host, settings.server.port)
    if taken:
        remedy = "Stop what uses it, or choose another port: YAOKI_SERVER__PORT=8401."
        return [failure("server", f"{settings.server.url} is not free ({taken}).", remedy)]
    return [ok("server", f"not running; {settings.server.url} is free")]


async def _running(pid: int, address: str) -> Finding:
    async with Client(address) as client:
        state = await client.readiness()
    if state is None:
        return failure(
            "server", f"process {pid} runs the database and does not answer at {address}.", f"See, or end, {pid}."
        )
    reasons: Mapping[str, Any] = state.get("reasons", {})
    if reasons:
        told = ", ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return warning(
            "server", f"process {pid} at {address} takes no messages ({told}).", "Wait, or look into its log."
        )
    return ok("server", f"process {pid} runs at {address}")


def _why_not_free(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or "unknown reason"
    return ""
