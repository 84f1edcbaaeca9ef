"""Rows of generated API keys, and of what each has spent a day.

A secret is 256 random bits. Nobody can guess one, so a plain SHA-256 of it is as good as any slower hash, and costs a
request less than a microsecond.
"""

import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from yaoki.errors import SessionConflictError, SessionNotFoundError
from yaoki.store.contract import ApiKey, Spending
from yaoki.store.database import Database
from yaoki.store.schema import api_key_days, api_keys, meta, put_meta

PREFIX = "yk_"
"""How every secret begins."""
_SECRET_BYTES = 32
_SHOWN_CHARS = 4
_VERSION = "api_keys"
_COUNTS = [field.name for field in fields(Spending)]

_log = logging.getLogger(__name__)


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class ApiKeyTable:
    """Creates, finds and revokes keys, and adds up what they spend."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    async def create(
        self,
        name: str,
        owner: str,
        *,
        models: tuple[str, ...] | None = None,
        requests_per_minute: int | None = None,
        tokens_per_day: int | None = None,
        usd_per_day: float | None = None,
    ) -> str:
        """A new key; see `ApiKey` for each limit. Durable when this returns.

        Returns:
            The secret. It is kept nowhere, so this is the only time that anybody sees it.

        Raises:
            SessionConflictError: There is a key of this name, or was one.
        """
        secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        row = {
            "name": name,
            "owner": owner,
            "digest": digest_of(secret),
            "hint": f"{secret[: len(PREFIX) + _SHOWN_CHARS]}…{secret[-_SHOWN_CHARS:]}",
            "created_at": self._now(),
            "models": None if models is None else json.dumps(models),
            "requests_per_minute": requests_per_minute,
            "tokens_per_day": tokens_per_day,
            "usd_per_day": usd_per_day,
        }

        def work(connection: Connection) -> None:
            if connection.execute(select(api_keys.c.name).where(api_keys.c.name == name)).first():
                raise SessionConflictError(f"There is, or was, a key called {name!r}: give this one another name.")
            connection.execute(insert(api_keys).values(row))
            _changed(connection)

        await self._database.write(work, durable=True)
        return secret

    async def revoke(self, name: str) -> None:
        """Refuse a key from now on; its spending stays. Durable when this returns; more than once does no harm.

        Raises:
            SessionNotFoundError: There is no key of this name.
        """
        now = self._now()

        def work(connection: Connection) -> None:
            mine = api_keys.c.name == name
            if connection.execute(select(api_keys.c.name).where(mine)).first() is None:
                raise SessionNotFoundError(f"There is no key {name!r}; see: yaoki keys list")
            connection.execute(update(api_keys).where(mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
            _changed(connection)

        await self._database.write(work, durable=True)

    async def version(self) -> str:
        """Another text after each change of a key; spending is none."""
        query = select(meta.c.value).where(meta.c.key == _VERSION)
        return await self._database.read(lambda connection: connection.execute(query).scalar() or "")

    async def all(self) -> list[ApiKey]:
        """Every key, the oldest first; a damaged one is left out, and said to be."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [key for row in rows if (key := _key(row))]

    async def spent(self, since: date | None = None) -> dict[str, Spending]:
        """What each key has spent since the beginning of a day of UTC, or ever."""
        sums = [func.sum(api_key_days.c[name]).label(name) for name in _COUNTS]
        query = select(api_key_days.c.name, *sums).group_by(api_key_days.c.name)
        if since is not None:
            query = query.where(api_key_days.c.day >= since.isoformat())
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.name: Spending(**{count: getattr(row, count) for count in _COUNTS}) for row in rows}

    async def add(self, spent: Mapping[tuple[str, date], Spending]) -> None:
        """Add to what keys have spent, by name and day. Survives the end of the process, but not of the machine.

        Raises:
            SessionStoreUnavailableError: Nothing was added.
        """
        now = self._now()

        def work(connection: Connection) -> None:
            for (name, day), more in spent.items():
                _add(connection, name, day.isoformat(), more)
                connection.execute(update(api_keys).where(api_keys.c.name == name).values(last_used_at=now))

        await self._database.write(work)


def _add(connection: Connection, name: str, day: str, more: Spending) -> None:
    row = (api_key_days.c.name == name) & (api_key_days.c.day == day)
    sums = {count: api_key_days.c[count] + value for count, value in asdict(more).items()}
    if not connection.execute(update(api_key_days).where(row).values(sums)).rowcount:
        connection.execute(insert(api_key_days).values(name=name, day=day, **asdict(more)))


def _changed(connection: Connection) -> None:
    put_meta(connection, _VERSION, secrets.token_hex(8))


def _key(row: Row[Any]) -> ApiKey | None:
    values: dict[str, Any] = dict(zip(api_keys.columns.keys(), row, strict=True))
    try:
        if values["models"] is not None:
            values["models"] = tuple(json.loads(values["models"]))
        for name in ("created_at", "revoked_at", "last_used_at"):
            if values[name] is not None:
                values[name] = datetime.fromtimestamp(values[name], UTC)
    except (ValueError, TypeError, OverflowError):
        _log.error("The API key %s cannot be read, so it is refused.", row.name)
        return None
    return ApiKey(**values)
