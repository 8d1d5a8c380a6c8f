"""Rows as read from a source into orders, rejects and what is not archived.

Pure and vectorised: nothing here runs once per row, except for rejected rows. Which days and
windows an order belongs to is not decided here.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver.mapping import columns, content, entries, forms, targets
from archiver.mapping.columns import NO, mask
from archiver.mapping.entries import Block, Rows
from archiver.mapping.facets import CHILD_FACET, FACETS, Facet, facet_columns
from archiver.mapping.faults import FaultsAt, Mask, Positions, Reason
from archiver.mapping.model import OrderMapping
from archiver.mapping.page import MapContext, MappedPage
from archiver.mapping.page_columns import PageColumns, chosen, flat
from archiver.mapping.parts import BASIS, Children, Column, TimeName
from archiver.mapping.rejects import ChildRows, rejected
from archiver.ports import RawPage
from schemas.orders import INSTANT, ORDER_V1

CLOCK_SLACK: Final = timedelta(days=1)
"""How far an end time may lie ahead of us, or before the order's creation: a zone mistaken by
hours is not a broken row."""


def apply(
    page: RawPage, mapping: OrderMapping, context: MapContext, *, repeated: bool = False
) -> MappedPage:
    """Map a page.

    Args:
        page: As a source read it, with at least `mapping.page_columns`, all `large_binary`.
        mapping: Says how.
        context: Names and the moment of reading.
        repeated: The ids of all these rows occur more than once with different content, which
            the caller found out: whatever could be mapped becomes a reject.
    """
    mapper = _Mapper(page, mapping, context)
    if repeated:
        everything = np.ones(mapper.rows, np.bool_)
        mapper.faults.mark(everything, Reason.DUPLICATE_ID, mapping.order_id)
    return mapper.run()


class _Mapper:
    """One page on its way. Methods run in the order in which `run` calls them."""

    def __init__(self, page: RawPage, mapping: OrderMapping, context: MapContext) -> None:
        self.mapping = mapping
        self.context = context
        self.rows = page.rows.num_rows
        self.children = page.children
        self.page = PageColumns(page.rows, mapping, context.source)
        self.raw = self.page.raw
        self.faults = self.page.faults
        self.own = Rows(
            count=self.rows,
            text=self.page.text,
            bare=self.page.bare,
            sink=self.faults,
            session_zone=context.session_zone,
            look_ups=mapping.lookup_columns,
        )
        self.blocks: dict[str, list[Block]] = {
            name: [] for name in ("payments", "deliveries", "after_sales", "events", "extra")
        }
        self.child_content: list[pa.Array] = []
        self.facet_content: dict[Facet, list[pa.Array]] = {name: [] for name in FACETS}
        self.child_rows: list[ChildRows] = []

    def run(self) -> MappedPage:
        mapping = self.mapping
        self._read_forms()
        outcome, skipped = self._outcomes()
        order_id = self.page.text(mapping.order_id)
        self.faults.mark(_blank(order_id), Reason.NULL_ORDER_ID, mapping.order_id)
        times = {
            name: entries.typed(self.own, time, INSTANT) for name, time in mapping.times.items()
        }
        completed, basis = self._completion(times, outcome, skipped)
        fields = {
            path: entries.typed(self.own, leaf, targets.FIELDS[path])
            for path, leaf in mapping.fields.items()
        }
        self._fill_lists()
        for child in mapping.children:
            self._add_children(child)
        self.page.check_the_rest()
        found = {
            "order_id": order_id,
            "outcome": outcome,
            "completed_at": completed,
            "completed_basis": basis,
        }
        table = self._table(found, times, fields)
        return self._sorted_out(table, times, skipped)

    def _read_forms(self) -> None:
        """Drop passwords from form columns, in text and in raw bytes, before anything else."""
        for form in self.mapping.forms:
            column = form.column
            where = entries.chosen(self.own, form.when)
            if where.any():
                rows = np.flatnonzero(where)
                text = self.page.text(column)
                filled_in = text.take(pa.array(rows))
                if form.format == "json":
                    filled_in = forms.lines_of_json(filled_in)
                lines = forms.read(filled_in)
                cleaned = forms.clean(lines, len(rows))
                had = text.is_valid()
                chosen = pa.array(where)
                self.page.replace(column, pc.and_(chosen, had), cleaned.filter(had.filter(chosen)))
                filled = forms.fill(lines, form, len(rows))
                self.blocks["deliveries"].append(_at(rows, entries.from_form(filled, form.kind)))
                self.blocks["extra"].append(
                    Block(
                        row=rows[filled.extra_row],
                        leaves={"name": filled.extra_name, "value": filled.extra_value},
                    )
                )

    def _unread(self) -> dict[str, Mask]:
        """Return for each form column the rows in which nobody looked for passwords.

        Those whose text is broken, and those that are neither a manual order nor goods: their
        kind is unknown, so the column may be a form.
        """
        unread: dict[str, Mask] = {}
        for form in self.mapping.forms:
            filled = entries.chosen(self.own, form.when)
            goods = np.zeros(self.rows, np.bool_)
            for entry in self.mapping.deliveries:
                secret = entry.columns.get("secret")
                if isinstance(secret, Column) and secret.column == form.column:
                    goods |= entries.chosen(self.own, entry.when)
            clean = filled & mask(self.page.text(form.column).is_valid())
            rows = ~(goods & ~filled) & ~clean
            unread[form.column] = unread.get(form.column, np.True_) & rows
        return unread

    def _outcomes(self) -> tuple[pa.Array, Mask]:
        """Return each row's outcome and which rows are not archived at all."""
        status = self.mapping.status
        known = status.outcomes
        states = self.page.text(status.column)
        found = pc.index_in(states, pa.array(list(known), pa.string()))
        outcome = pa.array(list(known.values()), pa.string()).take(found)
        left = ("ignored",) if self.context.include_open else ("ignored", "open")
        skipped = mask(pc.is_in(outcome, pa.array(left, pa.string())))
        self.faults.mark(mask(found.is_null()), Reason.UNKNOWN_STATUS, status.column)
        return outcome, skipped

    def _completion(
        self, times: Mapping[TimeName, pa.Array], outcome: pa.Array, skipped: Mask
    ) -> tuple[pa.Array, pa.Array]:
        """Return end time and basis: the latest of the rule's times, else its other one."""
        rule = self.mapping.completion
        latest = rule.latest_of
        # As numbers: Arrow has no element-wise maximum of instants with a zone.
        ends = [times[name].cast(pa.int64()) for name in latest]
        completed = (
            times[latest[0]]
            if len(ends) == 1
            else pc.max_element_wise(*ends, skip_nulls=True).cast(INSTANT)
        )
        basis = pa.nulls(self.rows, pa.string())
        for name in reversed(latest):
            taken = pc.equal(times[name], completed)
            basis = pc.if_else(pc.coalesce(taken, NO), BASIS[name], basis)
        if rule.otherwise:
            other = times[rule.otherwise]
            lacking = completed.is_null()
            basis = pc.if_else(pc.and_(lacking, other.is_valid()), BASIS[rule.otherwise], basis)
            completed = pc.coalesce(completed, other)
        is_open = mask(pc.equal(outcome, "open"))
        if is_open.any():
            hide = pa.array(is_open)
            completed = pc.if_else(hide, pa.scalar(None, INSTANT), completed)
            basis = pc.if_else(hide, pa.scalar(None, pa.string()), basis)
        needs = ~is_open & ~skipped
        column = self.mapping.times[rule.names[-1]].column
        self.faults.mark(mask(completed.is_null()) & needs, Reason.MISSING_END_TIME, column)
        limit = pa.scalar(self.context.observed_at + CLOCK_SLACK, INSTANT)
        self.faults.mark(mask(pc.greater(completed, limit)) & needs, Reason.FUTURE_TIME, column)
        if "created" in times:
            # It would count as long past its retention, and nobody would ever seal it.
            day = CLOCK_SLACK // timedelta(microseconds=1)
            earliest = pc.subtract(times["created"].cast(pa.int64()), day)
            early = mask(pc.less(completed.cast(pa.int64()), earliest))
            self.faults.mark(early & needs, Reason.BAD_TIME, column)
        return completed, basis

    def _fill_lists(self) -> None:
        at = entries.sink_at(self.faults, self.rows)
        own = {
            "payments": self.mapping.payments,
            "deliveries": self.mapping.deliveries,
            "after_sales": self.mapping.after_sales,
            "events": self.mapping.events,
        }
        for field, blocks in own.items():
            for entry in blocks:
                self.blocks[field].append(entries.from_rows(self.own, field, entry, at))
        self.blocks["extra"] += entries.leftovers(self.own, self.mapping.extra)

    def _add_children(self, child: Children) -> None:
        """Map a child table, and remember its bytes for digests and rejects."""
        raw = chosen(
            self.children[child.field], self.mapping.child_columns(child), self.context.source
        )
        parents = self.raw[child.on or self.mapping.key]
        found = pc.index_in(raw[child.key], parents, skip_nulls=True)
        order = np.argsort(np.asarray(found.fill_null(-1)), kind="stable")
        order = order[found.null_count :]
        taken = pa.array(order)
        raw = {name: values.take(taken) for name, values in raw.items()}
        row: Positions = np.asarray(found.take(taken)).astype(np.int64)
        sink = FaultsAt(self.faults, self.rows, row)
        texts = {name: columns.text(values, name, sink) for name, values in raw.items()}
        rows = Rows(
            count=len(row),
            text=texts.__getitem__,
            bare=texts.__getitem__,
            sink=sink,
            session_zone=self.context.session_zone,
        )
        self.blocks[child.field].append(entries.from_children(rows, row, child))
        # Not the key by which they name their row: the row's own key is no content either.
        told = [values for name, values in raw.items() if name in child.mapped_columns]
        of_child = content.of_children(told, row, self.rows)
        self.child_content += of_child
        if facet := CHILD_FACET.get(child.field):
            self.facet_content[facet] += of_child
        self.child_rows.append(ChildRows(prefix=child.field, raw=raw, row=row))

    def _table(
        self,
        found: Mapping[str, pa.Array],
        times: Mapping[TimeName, pa.Array],
        fields: Mapping[str, pa.Array],
    ) -> pa.Table:
        """Return all rows as orders; rows with faults are among them and go afterwards."""
        given: dict[str, pa.Array] = {
            **found,
            "source_status": columns.or_null(self.page.text(self.mapping.status.column)),
            "quantity": fields.get("quantity"),
            "archive": columns.same(self.context.archive, pa.string(), self.rows),
            "source": columns.same(self.context.source, pa.string(), self.rows),
            "mapping_digest": columns.same(self.mapping.digest, pa.string(), self.rows),
            "completion_rule": columns.same(self.mapping.completion.text, pa.string(), self.rows),
            "revision": columns.same(1, pa.int32(), self.rows),
            "first_seen_at": columns.same(self.context.observed_at, INSTANT, self.rows),
            "secret_commitment": columns.same(bytes(32), pa.binary(32), self.rows),
        }
        for name in ("created", "paid", "delivered", "closed"):
            if name in times:
                at = given[f"{name}_at"] = times[name]
                basis = columns.same("recorded", pa.string(), self.rows)
                given[f"{name}_basis"] = (
                    pc.if_else(at.is_valid(), basis, None) if at.null_count else basis
                )
        for name in ("seller", "buyer", "product", "money"):
            given[name] = _struct(name, fields, self.rows)
        for name, blocks in self.blocks.items():
            given[name] = entries.lists(name, blocks, self.rows)
        arrays = [
            given[field.name]
            if given.get(field.name) is not None
            else columns.none(field.type, self.rows)
            for field in ORDER_V1
        ]
        # Required fields of rejected rows are null here, so the schema is put on later.
        return pa.Table.from_arrays(arrays, names=ORDER_V1.names)

    def _sorted_out(
        self, table: pa.Table, times: Mapping[TimeName, pa.Array], skipped: Mask
    ) -> MappedPage:
        bad = self.faults.bad & ~skipped
        good = ~(bad | skipped)
        told = self.mapping.changed_at
        changed = times[told] if told else pa.nulls(self.rows, INSTANT)
        own = content.joined(
            [*(self.raw[name] for name in self.mapping.digest_columns), *self.child_content]
        )
        facets = self._facets() if self.context.facets else {}
        if not good.all():
            chosen = pa.array(good)
            table, own, changed = table.filter(chosen), own.filter(chosen), changed.filter(chosen)
            facets = {name: values.filter(chosen) for name, values in facets.items()}
        rejects, reject_content = rejected(
            np.flatnonzero(bad),
            raw=self.raw,
            children=self.child_rows,
            unread=self._unread() if bad.any() else {},
            faults=self.faults,
            mapping=self.mapping,
            context=self.context,
        )
        return MappedPage(
            orders=pa.Table.from_arrays(
                [flat(column) for column in table.columns], schema=ORDER_V1
            ),
            content=own,
            row=np.flatnonzero(good),
            changed_at=changed,
            rejects=rejects,
            reject_content=reject_content,
            not_archived=int(skipped.sum()),
            facets=facets,
        )

    def _facets(self) -> dict[Facet, pa.Array]:
        """Return each row's bytes by facet, joined as its content is."""
        of_rows = facet_columns(self.mapping)
        nothing = columns.same(b"", pa.large_binary(), self.rows)
        return {
            name: content.joined(
                [nothing, *(self.raw[column] for column in of_rows[name]), *of_children]
            )
            for name, of_children in self.facet_content.items()
        }


def _struct(name: str, fields: Mapping[str, pa.Array], rows: int) -> pa.Array:
    kind = ORDER_V1.field(name).type
    arrays = [
        fields[path] if (path := f"{name}.{leaf.name}") in fields else columns.none(leaf.type, rows)
        for leaf in kind
    ]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _blank(values: pa.Array) -> Mask:
    """Return which ids are missing; what is blank identifies nothing."""
    length = pc.binary_length(pc.utf8_trim_whitespace(values))
    return mask(pc.equal(length, 0)) | mask(values.is_null())


def _at(rows: Positions, block: Block) -> Block:
    """Return a block made of chosen rows, placed in the page."""
    return Block(row=rows[block.row], leaves=block.leaves)
