"""What goes wrong under the store, said in the words of whoever has to mend it."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from yaoki.errors import SessionStoreUnavailableError

_RETRY_AFTER_S = 2.0
_OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""What is wrong with one statement says nothing about the store."""
_PLAIN = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk reports an error",
    "SQLITE_READONLY": "the file or its disk is read-only",
    "SQLITE_BUSY": "another program holds the database",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_CORRUPT": "the database file is damaged",
    "SQLITE_NOTADB": "the database file is damaged",
}


def store_error(error: BaseException, path: Path) -> BaseException:
    """What the driver says of a store that cannot be used, as our error; anything else as it is."""
    driver_error = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(driver_error, sqlite3.Error) or isinstance(driver_error, _OURS):
        return error
    renamed = SessionStoreUnavailableError(
        f"The store cannot be used now: {reason_of(driver_error, path)}.",
        retry_after_s=_RETRY_AFTER_S,
        reason=str(driver_error),
    )
    renamed.__cause__ = error
    return renamed


def moved_error(path: Path) -> SessionStoreUnavailableError:
    """The open file is no longer the one at `path`: what is written to it now, no later start would find."""
    return SessionStoreUnavailableError(
        f"The store cannot be used now: the database {path} was moved, replaced or deleted while it was in use. "
        "Put it back, or restart.",
        retry_after_s=_RETRY_AFTER_S,
    )


def reason_of(error: BaseException, path: Path) -> str:
    """Why a call to the driver or to the system failed, as half a sentence."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename not in (None, str(path)) else ""
        return where + (error.strerror or str(error)).lower()
    name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    if name == "SQLITE_IOERR" and not os.access(path, os.W_OK):
        name = "SQLITE_READONLY"  # a disk that became read-only under an open file is an error like any other to SQLite
    return f"{_PLAIN[name]} ({error})" if name in _PLAIN else str(error)
