"""What the reading process is asked to do: one request, as JSON on its standard input.

The password is part of the request and of nothing else: not of argv, not of the environment.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

Texts: TypeAlias = tuple[str, ...]
Unit: TypeAlias = Literal["", "epoch_s", "epoch_ms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time column and its bounds as literals of that column, `low` <= value < `high`."""

    column: str
    low: str
    high: str
    oldest: str
    newest: str
    """Values below `oldest` or from `newest` on are absurd, and read in any case."""
    unit: Unit
    """Not empty: a number since 1970, and the bounds are numbers."""
    day_shift_seconds: int = 0
    """Added to a value before its calendar day is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupPlan:
    """Names to join from another table."""

    query: str
    key: str
    on: str
    columns: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """Rows of another table that belong to the page's rows."""

    field: str
    query: str
    key: str
    on: str
    order: str | None
    columns: Texts
    optional: bool = False
    """No such table, no such rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """Which rows to read, and how many at a time."""

    query: str
    key: str
    key_is_integer: bool
    columns: Texts
    """Of the query; everything else in it is not fetched."""
    text_columns: Texts
    """Columns whose text matters to the character: never read as a number."""
    forbidden: Texts
    """Names, in lower case, that the query must not return."""
    status_column: str
    skipped_states: Texts
    ended: tuple[Span, ...]
    changed: Span | None
    lookups: tuple[LookupPlan, ...]
    children: tuple[ChildPlan, ...]
    page_rows: int
    page_bytes: int
    limit: int | None
    newest: bool = False
    """Only the last `limit` rows by key."""
    future: tuple[Span, ...] = ()
    """Rows with an end time in one of these are read besides: it cannot be true yet."""
    created: Span | None = None
    """Rows that were created outside surely do not concern us."""
    not_after: tuple[Span, ...] = ()
    """Nor do those with any of these times, unless absurd, at or beyond its `high` …"""
    not_before: tuple[Span, ...] = ()
    """Nor do those of which all these times that they have lie below its `low` …"""
    begun: Span | None = None
    """… and this one, too: an end long before its order's creation is no time."""
    open_states: Texts = ()
    """… but for those in these states, which have not ended."""
    keys: Texts | None = None
    """Only the rows with these paging keys, each in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The whole request."""

    task: Literal["pages", "days", "columns"]
    url: str
    """Without a password."""
    plan: ReadPlan
    password: str | None = field(default=None, repr=False)


def encoded(request: Request) -> bytes:
    """Return a request as one line."""
    return json.dumps(asdict(request)).encode() + b"\n"


def decoded(line: bytes) -> Request:
    """Return the request that `encoded` wrote.

    It comes from the process that started this one, which is ours: nothing is checked. pydantic
    would do it in fewer lines, and make each reading process start a third later.
    """
    told = json.loads(line)
    plan = told["plan"]
    plan["lookups"] = [LookupPlan(**one) for one in plan["lookups"]]
    plan["children"] = [ChildPlan(**_with_tuples(one)) for one in plan["children"]]
    return Request(**{**told, "plan": ReadPlan(**_with_tuples(plan))})


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as they were before JSON: tuples, and spans where objects are left."""
    return {
        name: tuple(map(_span, value)) if isinstance(value, list) else _span(value)
        for name, value in fields.items()
    }


def _span(value: Any) -> Any:  # noqa: ANN401  whatever JSON holds
    return Span(**value) if isinstance(value, dict) else value
