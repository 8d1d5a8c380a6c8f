"""What a database's complaint means, in words that give nothing away.

Drivers quote URLs, passwords and row values. So their texts are never passed on: a complaint is
recognised by its number or wording, and what is told is a sentence of ours, with the number and
at most the name of a column or table.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["access", "column", "mapping", "unavailable", "bug"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why reading failed."""

    kind: Kind
    detail: str


class ReadError(Exception):
    """Reading cannot go on."""

    def __init__(self, kind: Kind, detail: str) -> None:
        self.failure = Failure(kind=kind, detail=detail)
        super().__init__(detail)


NO_TABLE: Final = "there is no table "
"""Begins the sentence of it."""

# Wording, kind, sentence. `name` in a pattern is an identifier that may be told.
_NAME: Final = r"[`'\"]?(?P<name>[\w$.]{1,128})[`'\"]?"
_KNOWN: Final[tuple[tuple[str, Kind, str], ...]] = (
    # MySQL and MariaDB: error numbers of the server reference.
    (r"ERROR (1045|1698|1251|2059) ", "access", "user name or password is wrong"),
    (r"ERROR 1044 ", "access", "the user may not use this database"),
    (r"ERROR 1049 ", "access", "there is no such database"),
    (r"ERROR (1142|1143|1370) ", "access", "the user may not read what the mapping needs"),
    (rf"ERROR 1146 .*Table {_NAME}", "access", NO_TABLE + "{name}"),
    (rf"ERROR 1054 .*Unknown column {_NAME}", "column", "the source has no column {name}"),
    (r"ERROR (1129|1130) ", "access", "the server does not accept this host"),
    (r"ERROR (1040|1203|1226) ", "unavailable", "it has no connection left for us"),
    (r"ERROR (1205|1213|1317|3024|1969|1927|1053|1159|1161) ", "unavailable", "it broke off"),
    # PostgreSQL: SQLSTATE or wording of its messages.
    (
        r"password authentication failed|28P01|no password supplied",
        "access",
        "user name or password is wrong",
    ),
    (r"no pg_hba\.conf entry|28000", "access", "the server does not accept this user or host"),
    (rf'role "?{_NAME}"? does not exist', "access", "user name or password is wrong"),
    (r'database "[^"]*" does not exist|3D000', "access", "there is no such database"),
    (rf'relation "?{_NAME}"? does not exist', "access", NO_TABLE + "{name}"),
    (r"permission denied", "access", "the user may not read what the mapping needs"),
    (rf"column {_NAME} does not exist", "column", "the source has no column {name}"),
    (r"invalid input syntax", "mapping", "a time column is declared with another type's zone"),
    (r"too many clients|57P0|canceling statement|terminating conn", "unavailable", "it broke off"),
    # SQLite.
    (r"unable to open database file", "access", "the file cannot be opened"),
    (r"file is not a database|file is encrypted", "access", "the file is no SQLite database"),
    (rf"no such table: {_NAME}", "access", NO_TABLE + "{name}"),
    (rf"no such column: {_NAME}", "column", "the source has no column {name}"),
    (r"database is locked|disk I/O error|malformed", "unavailable", "the file cannot be read now"),
    # Any of them.
    (r"onnection refused", "unavailable", "nobody listens there"),
    (
        (
            r"ould not connect|imed out|onnection reset|onnection closed|roken pipe|unexpected EOF"
            r"|failed to lookup|UnexpectedEof|error communicating|o route to host|server has gone"
            r"|IoError|IO error|DriverError|closed the connection"
        ),
        "unavailable",
        "the connection failed",
    ),
    (r"yntax", "mapping", "the query is not valid for this database"),
)
_PATTERNS: Final = tuple((re.compile(pattern), kind, text) for pattern, kind, text in _KNOWN)
_NUMBER: Final = re.compile(r"ERROR (\d{4}) ")

FATAL_AT_LOGIN: Final[frozenset[Kind]] = frozenset({"access", "unavailable"})
"""A connection pool repeats such a login for half a minute; waiting for it helps nobody."""


def recognise(complaint: str) -> Failure | None:
    """Return what a driver's text means, or None if it says nothing we know."""
    for pattern, kind, text in _PATTERNS:
        if match := pattern.search(complaint):
            name = match.groupdict().get("name") or ""
            number = _NUMBER.search(complaint)
            code = f" (error {number[1]})" if number else ""
            return Failure(kind=kind, detail=text.format(name=name.removeprefix("q.")) + code)
    return None


def explain(complaint: str) -> Failure:
    """Return what a driver's text means; what is unknown is told by its number only."""
    if known := recognise(complaint):
        return known
    number = _NUMBER.search(complaint)
    if number:
        return Failure(kind="mapping", detail=f"the database refused the query (error {number[1]})")
    return Failure(kind="bug", detail="the database driver failed in a way we do not know")
