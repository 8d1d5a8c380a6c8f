"""A look at a source before anything is sealed: what would become of its newest rows.

Responsible for mapping a sample exactly as a night would and for saying what would be sealed,
left out and rejected, and why. Writes nothing. Card secrets, buyers and the contents of
rejects do not leave this module: the first two are masked, of rejects only key, reason and
column are told.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from archiver import mapping
from archiver.mapping import MapContext, MappedPage, OrderMapping
from archiver.masking import masked
from archiver.ports import RawPage, Source

SAMPLE_ROWS: Final = 100
LONGEST_KEY: Final = 200
"""Bytes; keys of real shops have 150 at most (dujiaoka's order_sn)."""


class Sampled(Source, Protocol):
    """A source that can be looked at."""

    @property
    def mapping(self) -> OrderMapping:
        """How its rows become orders."""

    @property
    def session_zone(self) -> str:
        """The zone of times declared as `session`."""

    def sample(self, rows: int) -> Iterator[RawPage]:
        """Yield the last rows by key, whatever their state and times."""

    def columns(self) -> list[str]:
        """Return all columns of the mapping's query; empty if the server cannot say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A row that a night would reject."""

    row_key: str | None
    order_id: str | None
    reason: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """What would become of a source's newest rows."""

    source: str
    mapping: str
    read: int
    orders: Sequence[dict[str, Any]]
    """ORDER_V1 rows; secrets, free texts and what identifies buyers are masked."""
    rejects: Sequence[Rejected]
    not_archived: int
    """Rows in states that are not archived: never paid, or not finished."""
    dropped: Sequence[str]
    """Columns of the query that no order keeps."""
    forms: Sequence[str]
    """Columns from which lines that speak of a password are dropped."""

    @property
    def reasons(self) -> Counter[str]:
        """How many rows would be rejected for which reason."""
        return Counter(one.reason for one in self.rejects)


def check_source(source: Sampled, *, now: datetime, rows: int = SAMPLE_ROWS) -> SourceCheck:
    """Map the newest rows of a source and say what would become of them.

    Raises:
        SourceAccessError: Wrong password, unknown database or table, missing right.
        SourceUnavailableError: It is down, slow or died half-way.
        MappingError: A column of the mapping does not exist.
    """
    orders: list[dict[str, Any]] = []
    rejects: list[Rejected] = []
    read = not_archived = 0
    for page in source.sample(rows):
        context = MapContext(
            archive="", source=source.name, observed_at=now, session_zone=source.session_zone
        )
        mapped = mapping.apply(page, source.mapping, context)
        read += len(page.rows)
        not_archived += mapped.not_archived
        orders += [_masked(row) for row in mapped.orders.to_pylist()]
        rejects += _rejects(mapped)
    kept = set(source.mapping.own_columns) | {source.mapping.key}
    return SourceCheck(
        source=source.name,
        mapping=f"{source.mapping.name} {source.mapping.version}",
        read=read,
        orders=orders,
        rejects=rejects,
        not_archived=not_archived,
        forms=sorted({form.column for form in source.mapping.forms}),
        dropped=[name for name in source.columns() if name not in kept],
    )


def _masked(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("account", "contact", "client_ip"):
        row["buyer"][name] = masked(row["buyer"][name])
    for delivery in row["deliveries"] or ():
        for name in ("secret", "target"):
            delivery[name] = masked(delivery[name])
    for field in ("after_sales", "events"):
        for entry in row[field] or ():
            entry["note"] = masked(entry["note"])
    for name in ("archive", "revision", "first_seen_at", "secret_commitment", "mapping_digest"):
        del row[name]  # filled in when it is sealed
    return row


def _rejects(page: MappedPage) -> Iterator[Rejected]:
    told = page.rejects.select(["row_key", "order_id", "reason", "column"])
    for row in told.to_pylist():
        yield Rejected(
            row_key=_text(row["row_key"]),
            order_id=_text(row["order_id"]),
            reason=row["reason"],
            column=row["column"],
        )


def _text(value: bytes | None) -> str | None:
    """Return a key as read, cut if it is absurdly long; bytes that are no text as escapes."""
    return None if value is None else value[:LONGEST_KEY].decode("utf-8", "backslashreplace")
