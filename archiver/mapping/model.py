"""A mapping: how the rows of one source become orders, as its TOML file states it.

Responsible for what a mapping may say and for refusing one that contradicts itself or would
keep what must never be kept. Pure: files are read by `archiver.sources.presets`.

Queries are whole SELECT statements; the archive names their columns and never runs anything
else. Every name below is a column of the mapping's query unless it says otherwise.
"""

import hashlib
import json
import re
from functools import cached_property
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from archiver.mapping import targets

NEVER_KEPT: Final = frozenset(
    {
        *("search_pwd", "query_password", "query_pwd", "password", "passwd", "pwd"),
        *("app_key", "app_secret", "secret_key", "merchant_key", "merchant_pem"),
        *("merchant_secret", "pay_url", "cvv", "cvc", "id_card", "id_number", "id_image"),
    }
)
"""Columns that no mapping may return, in lower case (FACTS 3); a mapping adds its own."""

EPOCHS: Final = ("epoch_s", "epoch_ms")

# TOML's arrays are lists; everything else is strict.
Texts: TypeAlias = Annotated[tuple[str, ...], Field(strict=False)]


class Frozen(BaseModel):
    """What all parts of a mapping share."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class When(Frozen):
    """A condition on a column's text: one of `in`, `not_in`, `present`. NULL is in no list."""

    column: str
    among: Texts = Field(default=(), alias="in")
    not_among: Texts = Field(default=(), alias="not_in")
    present: bool | None = None
    """True: neither NULL nor empty. False: either."""

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if [bool(self.among), bool(self.not_among), self.present is not None].count(True) != 1:
            raise ValueError("a condition needs one of `in`, `not_in`, `present`")
        return self


Conditions: TypeAlias = Annotated[tuple[When, ...], Field(strict=False)]


class Column(Frozen):
    """A value from a column, with what is done to its text."""

    column: str
    values: dict[str, str] = {}
    """Replaces listed values."""
    unlisted: Literal["keep", "null"] = "keep"
    """What happens to a value that `values` does not list."""
    scale: int = Field(default=0, ge=0, le=6)
    """Decimal digits of an integer amount: 2 turns 1999 into 19.99."""
    html_unescape: bool = False
    when: Conditions = ()
    """Null in rows that do not meet all of these."""


class Const(Frozen):
    """The same value for every row."""

    const: str


class Time(Frozen):
    """A time column and the zone in which it was written."""

    column: str
    zone: str
    """`UTC`, an IANA name, `session`, `epoch_s` or `epoch_ms`. `session`: the zone in which the
    reader fixes the database's session, or that of the source for databases without one."""
    zero_is_null: bool = False
    """A zero date or epoch 0 means that it has not happened, not a broken row."""


def _shorthand(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


Value: TypeAlias = Annotated[Column | Const, BeforeValidator(_shorthand)]
Leaf: TypeAlias = Annotated[Time | Column | Const, BeforeValidator(_shorthand)]


class Status(Frozen):
    """The source's own states, sorted by outcome. A state in no list is a reject."""

    column: str
    completed: Texts
    refunded: Texts = ()
    failed: Texts = ()
    open: Texts = ()
    """Paid and not finished."""
    ignored: Texts = ()
    """Never paid: not archived."""

    @cached_property
    def outcomes(self) -> dict[str, str]:
        """Every listed state with its outcome, or `ignored`."""
        named = ("completed", "refunded", "failed", "open", "ignored")
        return {state: name for name in named for state in getattr(self, name)}

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        lists = (self.completed, self.refunded, self.failed, self.open, self.ignored)
        if len(self.outcomes) != sum(map(len, lists)):
            raise ValueError("a state stands in two lists")
        return self


TimeName: TypeAlias = Literal["created", "paid", "delivered", "completed", "closed", "updated"]
BASIS: Final[dict[str, str]] = {
    "created": "recorded",
    "completed": "recorded",
    "paid": "paid",
    "delivered": "delivered",
    "closed": "closed",
    "updated": "updated",
}
"""On what the end time rests when it was taken from the named time."""


class Completion(Frozen):
    """When a transaction counts as completed: the latest of some times, else another."""

    latest_of: tuple[TimeName, ...]
    otherwise: TimeName | None = None

    @property
    def names(self) -> tuple[TimeName, ...]:
        """The times that the rule looks at."""
        return (*self.latest_of, *((self.otherwise,) if self.otherwise else ()))

    @property
    def text(self) -> str:
        """The rule as a sentence, kept with every order."""
        rule = ", ".join(self.latest_of)
        rule = f"latest of {rule}" if len(self.latest_of) > 1 else rule
        return f"{rule}; else {self.otherwise}" if self.otherwise else rule


class Lookup(Frozen):
    """Names from another table, joined by the archive. Not part of an order's digest."""

    query: str
    key: str
    """Column of this query."""
    on: str
    """Column of the mapping's query that holds the key."""
    columns: dict[str, str]
    """Name in this mapping = column of this query."""


class Children(Frozen):
    """Rows of another table that belong to an order."""

    field: Literal["payments", "deliveries", "after_sales", "events"]
    query: str
    key: str
    """Column of this query."""
    on: str | None = None
    """Column of the mapping's query that `key` refers to; the mapping's key if not given."""
    order: str | None = None
    """Column of this query by which the rows of one order are sorted."""
    columns: dict[str, Leaf]
    """Leaf of `field` = column of this query."""
    split_lines: bool = False
    """deliveries: each line of the secret is a delivery of its own."""
    placeholders: Texts = ()


class Entry(Frozen):
    """At most one payment, after-sale or event for each row."""

    when: Conditions = ()
    columns: dict[str, Leaf]


class Delivery(Entry):
    """Deliveries of a row: one, or one for each line of its secret."""

    split_lines: bool = False
    placeholders: Texts = ()
    """Patterns (RE2) of texts that are no goods: apologies for stock that ran out."""


class Form(Frozen):
    """What a buyer filled in, `label:value` by line, in one column of manual orders.

    Lines whose label speaks of a password are dropped before anything else sees them, whatever
    is said here (`archiver.mapping.forms`). Lines that match no label become the secret.
    """

    column: str
    when: Conditions = ()
    kind: str = "manual"
    target: Texts = ()
    """Labels of the account that was topped up."""
    extra: Texts = ()
    """Labels of harmless particulars: server, role."""


class OrderMapping(Frozen):
    """How rows become orders."""

    name: str
    version: int = Field(ge=1)
    query: str
    key: str
    """Unique, ascending, never NULL: the order in which pages are read."""
    key_kind: Literal["integer", "text"] = "integer"
    order_id: str
    changed_at: TimeName | None = None
    """Which time moves whenever the row is touched."""
    status: Status
    times: dict[TimeName, Time]
    completion: Completion
    fields: dict[str, Value] = {}
    """Field of ORDER_V1, dotted = column."""
    extra: dict[str, Value] = {}
    payments: tuple[Entry, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    after_sales: tuple[Entry, ...] = ()
    events: tuple[Entry, ...] = ()
    forms: tuple[Form, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    children: tuple[Children, ...] = ()
    never_kept: Texts = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the mapping says, hexadecimal; comments and layout do not count."""
        said = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name}/{self.version}"

    @cached_property
    def forbidden(self) -> frozenset[str]:
        """Column names, in lower case, that the query must not return."""
        return NEVER_KEPT | {name.lower() for name in self.never_kept}

    @cached_property
    def lookup_columns(self) -> frozenset[str]:
        """Columns of a page that come from look-ups."""
        return frozenset(name for lookup in self.lookups for name in lookup.columns)

    @cached_property
    def own_columns(self) -> Texts:
        """The allow-list: columns of the query that an order is made of, sorted."""
        named = {self.order_id, self.status.column}
        named |= {time.column for time in self.times.values()}
        named |= {lookup.on for lookup in self.lookups}
        named |= {child.on for child in self.children if child.on}
        leaves: list[Leaf] = [*self.fields.values(), *self.extra.values()]
        conditions: list[When] = []
        for entry in (*self.payments, *self.deliveries, *self.after_sales, *self.events):
            leaves += entry.columns.values()
            conditions += entry.when
        for form in self.forms:
            named.add(form.column)
            conditions += form.when
        for leaf in leaves:
            named |= _columns_of(leaf)
        named |= {condition.column for condition in conditions}
        return tuple(sorted(named - self.lookup_columns))

    @cached_property
    def digest_columns(self) -> Texts:
        """The own columns whose change makes a revision: not the change time, even as end time."""
        change = self.times[self.changed_at].column if self.changed_at else None
        return tuple(name for name in self.own_columns if name != change)

    @cached_property
    def page_columns(self) -> Texts:
        """All columns of a page: key, own columns, look-ups."""
        return tuple(sorted({self.key, *self.own_columns, *self.lookup_columns}))

    def child_columns(self, child: Children) -> Texts:
        """All columns of a child table, its key first."""
        used = {name for leaf in child.columns.values() for name in _columns_of(leaf)}
        return (child.key, *sorted(used - {child.key}))

    @model_validator(mode="after")
    def _keeps_only_what_may_be_kept(self) -> Self:
        columns = [*self.page_columns]
        for child in self.children:
            columns += self.child_columns(child)
        for name in columns:
            if name.lower() in self.forbidden:
                raise ValueError(f"column {name} must never be kept")
        return self

    @model_validator(mode="after")
    def _times_have_columns(self) -> Self:
        if not self.completion.latest_of:
            raise ValueError("completion.latest_of is empty")
        for name in (*self.completion.names, *filter(None, [self.changed_at])):
            if name not in self.times:
                raise ValueError(f"the time {name} is used but has no column in [times.{name}]")
        return self

    @model_validator(mode="after")
    def _fills_fields_that_exist(self) -> Self:
        for path, value in self.fields.items():
            targets.check_field(path, constant=isinstance(value, Const))
        for field, entries in self.entries.items():
            for entry in entries:
                for name, leaf in entry.columns.items():
                    targets.check_leaf(field, name, is_time=isinstance(leaf, Time))
        cards: tuple[Delivery | Children, ...] = (*self.deliveries, *self.children)
        for delivery in cards:
            if delivery.split_lines and "secret" not in delivery.columns:
                raise ValueError("split_lines needs a secret")
            for pattern in delivery.placeholders:
                re.compile(pattern)
        return self

    @property
    def entries(self) -> dict[str, tuple[Entry | Children, ...]]:
        """What fills each list of an order."""
        own: dict[str, tuple[Entry, ...]] = {
            "payments": self.payments,
            "deliveries": self.deliveries,
            "after_sales": self.after_sales,
            "events": self.events,
        }
        return {
            name: (*entries, *(child for child in self.children if child.field == name))
            for name, entries in own.items()
        }


def _columns_of(leaf: Leaf) -> set[str]:
    if isinstance(leaf, Const):
        return set()
    conditions = leaf.when if isinstance(leaf, Column) else ()
    return {leaf.column, *(condition.column for condition in conditions)}
