"""What a state database's complaint means, in our errors.

Drivers quote statements, parameters and addresses, so their texts are never passed on: a
complaint is recognised by SQLSTATE, by SQLite's name for it, or by libpq's wording where a login
failed, which comes without a number.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from archiver.errors import (
    ArchiverError,
    LocalDiskError,
    Said,
    StateAccessError,
    StateDamagedError,
    StateUnavailableError,
)

_BUSY: Final = Said("another process is writing", "另一进程正在写入")
_ELSEWHERE: Final = Said("nobody answers there", "该处没有响应")
_RIGHTS: Final = ("42501", "25006")
"""No right; a server that only reads."""
_WAITED: Final = ("55P03", "57014", "40001", "40P01")
"""Lock or statement timeout, serialisation failure, deadlock."""
_DISK: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")
_LOGINS: Final = (
    (
        r"password authentication failed|no password supplied|role \".*\" does not exist",
        Said("user name or password is wrong", "用户名或密码错误"),
    ),
    (r"no pg_hba\.conf entry", Said("it does not accept this user or host", "不接受此用户或主机")),
    (r"database \".*\" does not exist", Said("there is no such database", "没有该数据库")),
    (r"permission denied", Said("the user may not do this", "该用户权限不足")),
)
"""Wording of libpq and of the server at login, in English; in other languages it says too little
and counts as unavailable."""


@contextmanager
def translated(
    place: str, driver: type[Exception] | tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn what the database or its driver raises inside into our errors.

    Args:
        place: Where the database is.
        driver: The driver's own errors, where it is asked without SQLAlchemy around it.

    Raises:
        StateUnavailableError: It did not answer, was busy, or broke off.
        StateAccessError: It refuses us.
        StateDamagedError: It is no database, or a damaged one.
        LocalDiskError: The disk refuses.
    """
    try:
        yield
    except sa.exc.IntegrityError:
        raise  # the statement is at fault, or another writer was faster: its author knows
    except sa.exc.TimeoutError:
        raise StateUnavailableError(place=place, detail=_BUSY) from None
    except sa.exc.DBAPIError as error:
        told = _told(error.orig, place)
        if told is None:
            raise
        raise told from None
    except driver as error:
        told = _told(error, place)
        if told is None:
            raise
        raise told from None


def _told(cause: BaseException | None, place: str) -> ArchiverError | None:
    """Return our error, None for a statement that is wrong: a bug of ours."""
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(getattr(cause, "sqlite_errorname", ""), place)
    return _of_postgres(getattr(cause, "sqlstate", None), str(cause), place)


def _of_sqlite(name: str, place: str) -> ArchiverError | None:
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return StateUnavailableError(place=place, detail=_BUSY)
    if name.startswith(_DISK):
        return LocalDiskError(detail=f"{place}: {name}")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StateDamagedError(place=place, detail=name)
    return None


def _of_postgres(sqlstate: str | None, text: str, place: str) -> ArchiverError | None:
    if sqlstate is None:
        for pattern, said in _LOGINS:
            if re.search(pattern, text):
                return StateAccessError(place=place, detail=said)
        return StateUnavailableError(place=place, detail=_ELSEWHERE)
    code = f"SQLSTATE={sqlstate}"
    if sqlstate in _RIGHTS or sqlstate.startswith(("28", "3D")):
        detail = Said(f"the user may not do this, {code}", f"该用户权限不足，{code}")
        return StateAccessError(place=place, detail=detail)
    if sqlstate in _WAITED:
        return StateUnavailableError(place=place, detail=_BUSY)
    if sqlstate.startswith(("08", "25", "53", "57", "58")):
        detail = Said(f"it broke off, {code}", f"连接中断，{code}")
        return StateUnavailableError(place=place, detail=detail)
    return StateDamagedError(place=place, detail=sqlstate) if sqlstate.startswith("XX") else None
