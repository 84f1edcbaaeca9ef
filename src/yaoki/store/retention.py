"""How long sessions are kept, by a wall clock that may be wrong.

A clock that leaps forward makes every session look old. So after a leap of more than `LEAP_S` nothing is erased until
the clock has gone on for another `LEAP_S`. If it goes back before that, it was wrong, and nothing is lost. A machine
that was switched off for a while looks just the same: its old sessions are erased a little later.
"""

import logging
from collections.abc import Callable

from sqlalchemy import Connection, delete, select

from yaoki.store.database import Database
from yaoki.store.log import Log
from yaoki.store.schema import meta, put_meta, sessions, turns

LEAP_S = 3 * 86_400.0
"""More time than this between two purges is a leap, and is believed once it has stood for as long."""
_SEEN, _LEAPT_TO = _KEYS = ("clock_seen", "clock_leapt_to")

_log = logging.getLogger(__name__)


class Retention:
    """Erases what is older than it is to be kept."""

    def __init__(self, database: Database, log: Log, now: Callable[[], float]) -> None:
        self._database = database
        self._log = log
        self._now = now

    async def purge(self, keep_days: float) -> int:
        """Erase sessions without activity for `keep_days` days and without an open turn; returns how many.

        Erases nothing while the clock has just leapt forward.

        Raises:
            SessionStoreUnavailableError: Nothing was erased.
        """
        now = self._now()

        def work(connection: Connection) -> list[str]:
            if not _is_believed(connection, now):
                return []
            busy = select(turns.c.session_id).where(turns.c.status != "ended")
            old = select(sessions.c.id).where(
                sessions.c.updated_at < now - keep_days * 86_400, sessions.c.id.not_in(busy)
            )
            ids = [row.id for row in connection.execute(old)]
            connection.execute(delete(sessions).where(sessions.c.id.in_(ids)))
            return ids

        def tell(ids: list[str]) -> None:
            for session_id in ids:
                self._log.erase(session_id)

        return len(await self._database.write(work, committed=tell))


def _is_believed(connection: Connection, now: float) -> bool:
    """Note what the clock shows, and whether to erase by it."""
    shown = {row.key: float(row.value) for row in connection.execute(select(meta).where(meta.c.key.in_(_KEYS)))}
    seen, leapt_to = shown.get(_SEEN, now), shown.get(_LEAPT_TO)
    if leapt_to is None and now - seen > LEAP_S:
        _log.warning("The clock leapt by %.1f days: no session is erased for its age yet.", (now - seen) / 86_400)
        leapt_to = now
    elif leapt_to is not None and not 0 <= now - leapt_to < LEAP_S:
        leapt_to = None  # it went back, or has stood
    put_meta(connection, _SEEN, str(now))
    put_meta(connection, _LEAPT_TO, None if leapt_to is None else str(leapt_to))
    return leapt_to is None
