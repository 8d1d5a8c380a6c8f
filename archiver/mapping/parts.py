"""The parts that a mapping is made of: values, conditions, times, states, lists, look-ups.

Every name is a column of the mapping's query unless its docstring says otherwise.
"""

from functools import cached_property
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from archiver.errors import Said

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
            raise ValueError(
                Said(
                    "a condition needs one of `in`, `not_in`, `present`",
                    "条件须有 in、not_in、present 之一",
                )
            )
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
            raise ValueError(Said("a state stands in two lists", "同一状态出现在两个列表中"))
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
    optional: bool = False
    """Where the shop's version lacks one of its tables, there are no such rows."""
    split_lines: bool = False
    """deliveries: each line of the secret is a delivery of its own."""
    placeholders: Texts = ()

    @property
    def mapped_columns(self) -> set[str]:
        """The columns that become something, which the key need not do."""
        return {name for leaf in self.columns.values() for name in columns_of(leaf)}


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
    format: Literal["lines", "json"] = "lines"
    """`json`: an object of values, or of objects with a `value` and a title `cn`."""
    when: Conditions = ()
    kind: str = "manual"
    target: Texts = ()
    """Labels of the account that was topped up."""
    extra: Texts = ()
    """Labels of harmless particulars: server, role."""


def columns_of(leaf: Leaf) -> set[str]:
    """Return the columns that a value depends on."""
    if isinstance(leaf, Const):
        return set()
    conditions = leaf.when if isinstance(leaf, Column) else ()
    return {leaf.column, *(condition.column for condition in conditions)}
