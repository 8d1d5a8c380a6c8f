"""A mapping: how the rows of one source become orders, as its TOML file states it.

Responsible for what a mapping may say and for refusing one that contradicts itself or would
keep what must never be kept. Pure: files are read by `archiver.sources.mappings`.

Queries are whole SELECT statements; the archive names their columns and never runs anything
else.
"""

import hashlib
import json
import re
from functools import cached_property
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from archiver.errors import Said
from archiver.mapping import targets
from archiver.mapping.parts import (
    Children,
    Completion,
    Const,
    Delivery,
    Entry,
    Form,
    Frozen,
    Leaf,
    Lookup,
    Status,
    Texts,
    Time,
    TimeName,
    Value,
    When,
    columns_of,
)

__all__ = ["NEVER_KEPT", "OrderMapping", "TimeName"]

NEVER_KEPT: Final = frozenset(
    {
        *("search_pwd", "query_password", "query_pwd", "password", "passwd", "pwd"),
        *("app_key", "app_secret", "secret_key", "merchant_key", "merchant_pem"),
        *("merchant_secret", "pay_url", "cvv", "cvc", "id_card", "id_number", "id_image"),
    }
)
"""Columns that no mapping may return, in lower case (FACTS 3); a mapping adds its own."""


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
    fields: dict[str, Value] = Field(default_factory=dict)
    """Field of ORDER_V1, dotted = column."""
    extra: dict[str, Value] = Field(default_factory=dict)
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
            named |= columns_of(leaf)
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
        return (child.key, *sorted(child.mapped_columns - {child.key}))

    @model_validator(mode="after")
    def _keeps_only_what_may_be_kept(self) -> Self:
        columns = [*self.page_columns]
        for child in self.children:
            columns += self.child_columns(child)
        for name in columns:
            if name.lower() in self.forbidden:
                raise ValueError(Said(f"column {name} must never be kept", f"列 {name} 绝不可保留"))
        return self

    @model_validator(mode="after")
    def _times_have_columns(self) -> Self:
        if not self.completion.latest_of:
            raise ValueError(Said("completion.latest_of is empty", "completion.latest_of 为空"))
        for name in (*self.completion.names, *filter(None, [self.changed_at])):
            if name not in self.times:
                raise ValueError(
                    Said(
                        f"the time {name} is used but has no column in [times.{name}]",
                        f"用到了时间 {name}，但 [times.{name}] 中没有列",
                    )
                )
        return self

    @model_validator(mode="after")
    def _one_child_query_for_each_list(self) -> Self:
        fields = [child.field for child in self.children]
        if len(set(fields)) != len(fields):
            raise ValueError(
                Said(
                    "two child queries fill the same list; join them with UNION ALL",
                    "两个子查询填充同一列表；请用 UNION ALL 合并",
                )
            )
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
                raise ValueError(Said("split_lines needs a secret", "split_lines 需要 secret"))
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
