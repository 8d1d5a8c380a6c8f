"""A look at a source before anything is sealed: what would be kept, dropped, rejected, and why.

For people who set up a source. Shows no card secret, no contact and no value of a rejected row:
a value that could not be mapped is told by its shape, which is what one needs to mend a mapping.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from archiver.mapping import MapContext, apply
from archiver.masking import masked
from archiver.sources.database import DatabaseSource

ROWS: Final = 100
_SHAPE_CHARACTERS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A row that could not be mapped."""

    row_key: str
    reason: str
    column: str
    shape: str | None
    """The value's form: 0 for a digit, a for a letter, 字 for other letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a mapping makes of a source's last rows."""

    rows: int
    orders: list[dict[str, Any]]
    """Would be sealed; secrets, contacts, accounts and leftovers masked."""
    rejected: list[Rejected]
    not_archived: dict[str, int]
    """Rows by state: never paid, or still open."""
    columns_taken: list[str]
    columns_dropped: list[str]
    """Given by the mapping's query and not asked for."""
    columns_of_look_ups: list[str]


def inspect(source: DatabaseSource, context: MapContext, rows: int = ROWS) -> Inspection:
    """Read and map the last rows of a source.

    Raises:
        SourceUnavailableError: As `DatabaseSource.pages`; likewise its other errors.
    """
    mapping = source.mapping
    seen = 0
    orders: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    states: Counter[str] = Counter()
    for page in source.sample(rows):
        seen += page.rows.num_rows
        result = apply(page, mapping, context)
        orders += [_masked(order) for order in result.orders.to_pylist()]
        rejected += [_rejected(row) for row in result.rejects.to_pylist()]
        states.update(_text(state) for state in page.rows[mapping.status.column].to_pylist())
    left = {*mapping.status.open, *mapping.status.ignored}
    taken = {mapping.key, *mapping.own_columns}
    folded = {name.lower() for name in taken}
    return Inspection(
        rows=seen,
        orders=orders,
        rejected=rejected,
        not_archived={state: count for state, count in states.items() if state in left},
        columns_taken=sorted(taken),
        columns_dropped=[name for name in source.columns() if name.lower() not in folded],
        columns_of_look_ups=sorted(mapping.lookup_columns),
    )


def _masked(order: dict[str, Any]) -> dict[str, Any]:
    # `value` is of `extra`: a buyer may have put anything there.
    hidden = {"secret", "contact", "account", "target", "note", "client_ip", "value"}

    def walk(value: object, name: str) -> object:
        if isinstance(value, dict):
            return {key: walk(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, name) for inner in value]
        return masked(value) if name in hidden and isinstance(value, str) else value

    return {name: walk(value, name) for name, value in order.items()}


def _rejected(row: dict[str, Any]) -> Rejected:
    values = {entry["name"]: entry["value"] for entry in row["values"]}
    value = values.get(row["column"])
    return Rejected(
        row_key=_text(row["row_key"]),
        reason=row["reason"],
        column=row["column"],
        shape=None if value is None else _shape(_text(value[: 4 * _SHAPE_CHARACTERS])),
    )


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


def _shape(text: str) -> str:
    def letter(character: str) -> str:
        if character.isdecimal():
            return "0"
        if character.isalpha():
            return "a" if character.isascii() else "字"
        return character if character.isprintable() else "�"

    shown = "".join(map(letter, text[:_SHAPE_CHARACTERS]))
    return shown + ("…" if len(text) > _SHAPE_CHARACTERS else "")
