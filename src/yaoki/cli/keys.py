"""`yaoki keys`: who may use the base URL, and what it has cost.

Keys are written straight into the database, as a guest beside a server that runs: whoever may write the file may make
keys, and nobody else. So no route of the server can be talked into it.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from yaoki.cli.globals import Globals
from yaoki.cli.outcome import say, tell
from yaoki.cli.read_store import OWNER, reader
from yaoki.errors import ConfigurationSettingError, ConfigurationUnknownModelError
from yaoki.resilience.clock import SYSTEM_CLOCK
from yaoki.settings import Settings
from yaoki.store.contract import ApiKey, Spending
from yaoki.store.store import Store, open_store

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What a key is to be; see `yaoki.store.contract.ApiKey` for each."""

    name: str
    owner: str
    models: tuple[str, ...] | None
    requests_per_minute: int | None
    tokens_per_day: int | None
    usd_per_day: float | None

    def check(self, settings: Settings) -> None:
        """Refuse what can be no key.

        Raises:
            ConfigurationSettingError: The name or the owner will not do.
            ConfigurationUnknownModelError: There is no such model.
        """
        for name in (self.name, self.owner):
            if not _NAME.fullmatch(name):
                raise ConfigurationSettingError(
                    f"{name!r} is no name for a key or its owner: use up to 64 letters, digits, and . _ - between them."
                )
            if name == OWNER:
                raise ConfigurationSettingError(f"{OWNER!r} stands for requests without a key; give another name.")
        for model in self.models or ():
            if model not in settings.models:
                raise ConfigurationUnknownModelError(
                    f"There is no model {model!r}; there are: {', '.join(settings.models)}."
                )


def create(options: Globals, new: NewKey) -> None:
    """Make a key; its secret is the only line of the output."""
    settings = options.settings()
    new.check(settings)

    async def work() -> str:
        async with _writing(settings) as store:
            return await store.api_keys.create(**asdict(new))

    say(asyncio.run(work()))
    tell(f"The key {new.name} is valid. It is shown only this once: keep it where secrets are kept.")


def revoke(options: Globals, name: str) -> None:
    """Refuse a key from now on."""
    settings = options.settings()

    async def work() -> None:
        async with _writing(settings) as store:
            await store.api_keys.revoke(name)

    asyncio.run(work())
    tell(f"The key {name} is revoked.")


def print_keys(options: Globals, *, as_json: bool) -> None:
    """Every key, the oldest first."""
    settings = options.settings()

    async def work() -> tuple[list[ApiKey], dict[str, Spending], dict[str, Spending]]:
        async with reader(settings) as store:
            table = store.api_keys
            return await table.all(), await table.spent(SYSTEM_CLOCK.utcnow().date()), await table.spent()

    keys, today, ever = asyncio.run(work())
    for key in keys:
        spent = today.get(key.name, Spending()), ever.get(key.name, Spending())
        say(_json(key, *spent) if as_json else _text(key, *spent))


@asynccontextmanager
async def _writing(settings: Settings) -> AsyncGenerator[Store, None]:
    """The store, beside whoever runs it; it is made if there is none yet."""
    store = await open_store(settings.store.path, "guest" if settings.store.path.exists() else "runner")
    try:
        yield store
    finally:
        await store.aclose()


def _json(key: ApiKey, today: Spending, ever: Spending) -> str:
    known = asdict(key)
    del known["digest"]
    told = {**known, "spent_today": asdict(today), "spent": asdict(ever)}
    return json.dumps(told, ensure_ascii=False, default=datetime.isoformat)


def _text(key: ApiKey, today: Spending, ever: Spending) -> str:
    state = f"revoked {_day(key.revoked_at)}" if key.revoked_at else f"last used {_day(key.last_used_at)}"
    owner = f" of {key.owner}" if key.owner != key.name else ""
    return (
        f"{key.name}{owner}  {key.hint}  created {_day(key.created_at)}, {state}\n"
        f"  may use  {_limits(key)}\n  today    {_spending(today)}\n  ever     {_spending(ever)}"
    )


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"


def _limits(key: ApiKey) -> str:
    parts = [
        ", ".join(key.models) if key.models else "every model",
        f"{key.requests_per_minute} requests a minute" if key.requests_per_minute else "",
        f"{key.tokens_per_day} tokens a day" if key.tokens_per_day else "",
        f"${key.usd_per_day:g} a day" if key.usd_per_day else "",
    ]
    return "; ".join(filter(None, parts))


def _spending(spent: Spending) -> str:
    told = f"{spent.requests} answers, {spent.input_tokens} + {spent.output_tokens} tokens"
    if spent.estimated_tokens:
        told += f" ({spent.estimated_tokens} of them estimated)"
    told += f", ${spent.cost_usd:.6f} at list prices"
    return told + (f" ({spent.unpriced} without a known price)" if spent.unpriced else "")
