"""The lists of an order: payments, deliveries, after-sales, events and leftovers.

Every entry block of a mapping gives some entries with the page row that each belongs to; the
blocks are laid one after the other within an order, in the mapping's order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver import masking
from archiver.mapping import columns, forms, targets
from archiver.mapping.columns import mask
from archiver.mapping.faults import Faults, FaultsAt, Forgiving, Mask, Positions, Sink
from archiver.mapping.parts import Children, Column, Const, Delivery, Entry, Leaf, Time, When
from schemas.orders import ORDER_V1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Text columns of some rows, and where their faults go."""

    count: int
    text: Callable[[str], pa.Array]
    """A column as text, checked."""
    bare: Callable[[str], pa.Array]
    """A column that is only parsed: what is no text will be no number or time."""
    sink: Sink
    session_zone: str
    look_ups: frozenset[str] = frozenset()
    """Columns whose faults are not the order's."""
    seen: dict[tuple[str, pa.DataType], pa.Array] = field(default_factory=dict)
    """Values that were asked for before: amounts and numbers stand in several places."""
    found: dict[tuple[str, tuple[str, ...]], Mask] = field(default_factory=dict)
    """Rows whose column is in a list: a list and its opposite stand in several places."""

    def part(self, positions: Positions, sink: Sink) -> "Rows":
        """Return some of the rows."""
        taken = pa.array(positions)
        return Rows(
            count=len(positions),
            text=lambda name: self.text(name).take(taken),
            bare=lambda name: self.bare(name).take(taken),
            sink=sink,
            session_zone=self.session_zone,
            look_ups=self.look_ups,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some entries of one list."""

    row: Positions
    """The page row of each entry."""
    leaves: Mapping[str, pa.Array]


def typed(rows: Rows, leaf: Leaf, kind: pa.DataType) -> pa.Array:
    """Return a mapping's value for some rows, in the type of its field."""
    if isinstance(leaf, Const):
        value = leaf.const == "true" if pa.types.is_boolean(kind) else leaf.const
        return columns.same(value, kind, rows.count)
    key = (leaf.model_dump_json(), kind)
    if key not in rows.seen:
        rows.seen[key] = _read(rows, leaf, kind)
    return rows.seen[key]


def _read(rows: Rows, leaf: Time | Column, kind: pa.DataType) -> pa.Array:
    sink = Forgiving() if leaf.column in rows.look_ups else rows.sink
    if isinstance(leaf, Time):
        return columns.instants(rows.bare(leaf.column), leaf, rows.session_zone, sink)
    edited = leaf.values or leaf.html_unescape or leaf.when
    if edited or pa.types.is_string(kind) or pa.types.is_boolean(kind):
        values = columns.prepared(rows.text(leaf.column), leaf)
    else:
        values = rows.bare(leaf.column)
    if leaf.when:
        values = pc.if_else(pa.array(chosen(rows, leaf.when)), values, None)
    if pa.types.is_decimal(kind):
        return columns.money(values, leaf.column, sink, leaf.scale)
    if pa.types.is_integer(kind):
        return columns.whole(values, kind, leaf.column, sink)
    if pa.types.is_boolean(kind):
        return columns.truth(values, leaf.column, sink)
    return values


def chosen(rows: Rows, conditions: tuple[When, ...]) -> Mask:
    """Return the rows that meet all conditions."""
    result = np.ones(rows.count, np.bool_)
    for when in conditions:
        values = rows.text(when.column)
        if when.present is not None:
            there = mask(pc.greater(pc.binary_length(values), 0))
            result &= there if when.present else ~there
        else:
            listed = when.among or when.not_among
            key = (when.column, listed)
            if key not in rows.found:
                rows.found[key] = mask(pc.is_in(values, pa.array(listed, pa.string())))
            found = rows.found[key]
            result &= found if when.among else ~found
    return result


def from_rows(
    rows: Rows, field: str, entry: Entry, faults_at: Callable[[Positions], Sink]
) -> Block:
    """Return the entries that a block makes of the page's own rows."""
    where = np.flatnonzero(chosen(rows, entry.when))
    subset = rows if len(where) == rows.count else rows.part(where, faults_at(where))
    split = entry if isinstance(entry, Delivery) else None
    return _block(subset, where, field, entry.columns, split)


def from_children(rows: Rows, row: Positions, child: Children) -> Block:
    """Return the entries that child rows are; `row` is the page row of each, ascending."""
    return _block(
        rows, row, child.field, child.columns, child if child.field == "deliveries" else None
    )


def _block(
    rows: Rows,
    row: Positions,
    field: str,
    specs: Mapping[str, Leaf],
    delivery: Delivery | Children | None,
) -> Block:
    kinds = targets.LEAVES[field]
    leaves = {name: typed(rows, leaf, kinds[name]) for name, leaf in specs.items()}
    if delivery is not None and delivery.split_lines:
        at, secret = _split(leaves["secret"])
        if len(at) != rows.count or not np.array_equal(at, np.arange(rows.count)):
            taken = pa.array(at)
            leaves = {
                name: values.take(taken) for name, values in leaves.items() if name != "secret"
            }
            row = row[at]
        leaves["secret"] = secret
    else:
        told = np.zeros(rows.count, np.bool_)
        for name, leaf in specs.items():
            if not isinstance(leaf, Const):
                told |= mask(leaves[name].is_valid())
        if not told.all():
            row = row[told]
            leaves = {name: values.filter(pa.array(told)) for name, values in leaves.items()}
    if delivery is not None:
        leaves["placeholder"] = _placeholders(leaves.get("secret"), len(row), delivery.placeholders)
    return Block(row=row, leaves=leaves)


def _split(secret: pa.Array) -> tuple[Positions, pa.Array]:
    """Return the non-empty lines of secrets, and to which of them each line belongs."""
    if not columns.holds(secret, b"\n") and not columns.holds(secret, b"\r"):
        valid = np.flatnonzero(mask(secret.is_valid()))
        return valid, secret if len(valid) == len(secret) else secret.take(pa.array(valid))
    split = pc.split_pattern(secret.fill_null(""), "\n")
    at = np.asarray(pc.list_parent_indices(split)).astype(np.int64)
    lines = split.flatten()
    if columns.holds(lines, b"\r"):
        lines = pc.utf8_rtrim(lines, characters="\r")
    blank = mask(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(lines)), 0))
    if blank.any():
        at, lines = at[~blank], lines.filter(pa.array(~blank))
    return at, lines


def _placeholders(secret: pa.Array, count: int, patterns: tuple[str, ...]) -> pa.Array:
    if secret is None or not patterns:
        return columns.same(False, pa.bool_(), count)  # noqa: FBT003  a value like any other
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    return pc.coalesce(pc.match_substring_regex(secret, joined), columns.NO)


def from_form(filled: forms.Filled, kind: str) -> Block:
    """Return the delivery that a form describes."""
    count = len(filled.row)
    leaves = {
        "kind": columns.same(kind, pa.string(), count),
        "target": filled.target,
        "secret": filled.secret,
        "placeholder": columns.same(False, pa.bool_(), count),  # noqa: FBT003  a value
    }
    return Block(row=filled.row, leaves=leaves)


def lists(field: str, blocks: list[Block], rows: int) -> pa.Array:
    """Return a list column of `rows` orders out of all blocks of a field."""
    kind = ORDER_V1.field(field).type.value_type
    parts = [_struct(block, kind) for block in blocks if len(block.row)]
    row = np.concatenate([block.row for block in blocks]) if blocks else np.zeros(0, np.int64)
    values = parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.nulls(0, kind)])
    if len(parts) > 1:
        order = np.argsort(row, kind="stable")
        row, values = row[order], values.take(pa.array(order))
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=rows), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=ORDER_V1.field(field).type)


def _struct(block: Block, kind: pa.DataType) -> pa.Array:
    leaves = dict(block.leaves)
    if "secret" in leaves and "hint" in [field.name for field in kind]:
        leaves["hint"] = masking.hints(leaves["secret"])
    count = len(block.row)
    arrays = [
        leaves[field.name] if field.name in leaves else columns.none(field.type, count)
        for field in kind
    ]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def leftovers(rows: Rows, specs: Mapping[str, Column | Const]) -> list[Block]:
    """Return `extra` entries: one for each value that is there."""
    blocks = []
    for name, leaf in specs.items():
        values = typed(rows, leaf, pa.string())
        where = np.flatnonzero(mask(values.is_valid()))
        named = columns.same(name, pa.string(), len(where))
        blocks.append(
            Block(row=where, leaves={"name": named, "value": values.take(pa.array(where))})
        )
    return blocks


def sink_at(faults: Faults, rows: int) -> Callable[[Positions], Sink]:
    """Return a way to note faults of chosen rows."""
    return lambda positions: FaultsAt(faults, rows, positions)
