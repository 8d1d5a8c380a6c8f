"""Pages of rows in key order, each of bounded size, with their look-ups and child rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from archiver.sources import failures
from archiver.sources.dialect import FAT_BYTES, SIZE, Shape
from archiver.sources.engines import Engine
from archiver.sources.failures import ReadError
from archiver.sources.plan import ChildPlan, LookupPlan, ReadPlan

FIRST_PAGE_ROWS: Final = 2_000
"""Enough to learn how wide the rows are."""
_FAT_SHARE: Final = 4
"""Long texts fill at most this part of a page: drivers hold several copies of a value."""
_KEYS_AT_ONCE: Final = 1_000
_CACHED_KEYS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows and the child rows of exactly these rows."""

    rows: pa.Table
    children: dict[str, pa.Table]


class Pager:
    """Reads the pages of one plan."""

    def __init__(self, engine: Engine, plan: ReadPlan) -> None:
        self._engine = engine
        self._plan = plan
        self._dialect = engine.dialect
        self._shape = known_shape(engine, plan)
        self._wanted = self._dialect.wanted(plan, self._shape)
        self._lookups = [_Joiner(engine, lookup) for lookup in plan.lookups]
        self._child_shapes = {child.field: _child_shape(engine, child) for child in plan.children}

    def pages(self) -> Iterator[Page]:
        """Yield pages until the source has no more rows, or `plan.limit` is reached."""
        plan = self._plan
        if plan.newest:
            yield from self._newest()
            return
        if plan.keys is not None:
            yield from self._chosen([bytes.fromhex(key) for key in plan.keys])
            return
        left = plan.limit
        rows = min(FIRST_PAGE_ROWS, plan.page_rows)
        after: bytes | None = None
        while left is None or left > 0:
            wanted = rows if left is None else min(rows, left)
            table, complete = self._read(f"{self._between(after)} AND {self._wanted}", wanted)
            if not table.num_rows:
                return
            low = after
            after = self._last_key(table, after)
            for part in self._lean(table):
                high = part[plan.key][-1].as_py()
                yield self._with_others(part, self._between(low, high))
                low = high
            if complete and table.num_rows < wanted:
                return
            self._require_single(after)
            if left is not None:
                left -= table.num_rows
            width = max(1, table.nbytes // table.num_rows)
            rows = max(1, min(plan.page_rows, plan.page_bytes // width))
            del table, part  # before the next page is read: two would be alive at once

    def _newest(self) -> Iterator[Page]:
        table, _ = self._read(self._wanted, self._plan.limit)
        if not table.num_rows:
            return
        table = table.take(pa.array(range(table.num_rows - 1, -1, -1)))
        for part in self._lean(table):
            keys = part[self._plan.key].to_pylist()
            yield self._with_others(part, self._among(keys))

    def _chosen(self, keys: list[bytes]) -> Iterator[Page]:
        """Yield the rows with these keys, some at a time."""
        for start in range(0, len(keys), size := min(_KEYS_AT_ONCE, self._plan.page_rows)):
            among = self._among(keys[start : start + size])
            after: bytes | None = None
            complete = False
            while not complete:
                table, complete = self._read(f"{among} AND {self._between(after)}", None)
                if not table.num_rows:
                    break
                low = after
                after = self._last_key(table, after)
                for part in self._lean(table):
                    high = part[self._plan.key][-1].as_py()
                    yield self._with_others(part, f"{among} AND {self._between(low, high)}")
                    low = high

    def _read(self, condition: str, limit: int | None) -> tuple[pa.Table, bool]:
        guarded = frozenset(self._plan.columns) - self._shape.short
        statement = self._dialect.rows(
            self._plan,
            self._shape,
            condition=condition,
            limit=limit,
            newest=self._plan.newest,
            guarded=guarded if self._engine.guards else frozenset(),
        )
        return self._engine.fetch(statement, self._plan.page_bytes)

    def _between(self, after: bytes | None, until: bytes | None = None) -> str:
        key = self._dialect.column("q", self._plan.key)
        integer = self._plan.key_is_integer
        parts = [
            f"{key} {sign} {self._dialect.key(bound, integer=integer)}"
            for sign, bound in ((">", after), ("<=", until))
            if bound is not None
        ]
        return " AND ".join(parts) or "1 = 1"

    def _last_key(self, table: pa.Table, before: bytes | None) -> bytes:
        keys = table[self._plan.key]
        if keys.null_count:
            raise ReadError("mapping", f"the key {self._plan.key} is NULL in some rows")
        if self._plan.key_is_integer:
            ascending = _ascend(keys, before)
        else:
            ascending = pc.count_distinct(keys).as_py() == len(keys) and keys[0].as_py() != before
        if not ascending:
            raise ReadError("mapping", f"the key {self._plan.key} is not unique and ascending")
        last: bytes = keys[-1].as_py()
        return last

    def _require_single(self, key: bytes) -> None:
        """Refuse a key that repeats across the border of two pages: the next would skip rows."""
        table, _ = self._read(f"{self._among([key])} AND {self._wanted}", 2)
        if table.num_rows > 1:
            raise ReadError("mapping", f"the key {self._plan.key} is not unique")

    def _lean(self, table: pa.Table) -> Iterator[pa.Table]:
        """Yield the rows in portions, long texts filled in, each within the page's bytes."""
        if SIZE not in table.column_names:
            yield table
            return
        all_sizes = pc.cast(pc.cast(table[SIZE], pa.string()), pa.int64())
        table = table.drop_columns([SIZE])
        rows = pc.indices_nonzero(pc.greater(all_sizes, FAT_BYTES))
        fat = rows.to_pylist()
        sizes = dict(zip(fat, all_sizes.take(rows).to_pylist(), strict=True))
        budget = self._plan.page_bytes // _FAT_SHARE
        start = 0
        while fat:
            group = [fat.pop(0)]
            size = sizes[group[0]]
            while fat and size + sizes[fat[0]] <= budget:
                group.append(fat.pop(0))
                size += sizes[group[-1]]
            end = fat[0] if fat else table.num_rows
            yield from self._filled(table.slice(start, end - start), [row - start for row in group])
            start = end
        if start < table.num_rows:
            yield table.slice(start)

    def _filled(self, part: pa.Table, fat: list[int]) -> Iterator[pa.Table]:
        """Yield the part with its fat rows read whole; rows that vanished meanwhile go."""
        keys = part[self._plan.key].take(fat).to_pylist()
        whole, _ = self._engine.fetch(
            self._dialect.rows(self._plan, self._shape, condition=self._among(keys))
        )
        thin = pc.invert(pc.is_in(part[self._plan.key], pa.array(keys, pa.large_binary())))
        both = pa.concat_tables([part.filter(thin), whole])
        del whole
        place = pc.index_in(both[self._plan.key], part[self._plan.key].combine_chunks())
        ordered = both.take(pc.array_sort_indices(place.combine_chunks()))
        del both
        if ordered.num_rows:
            yield ordered

    def _among(self, keys: list[bytes]) -> str:
        key = self._dialect.column("q", self._plan.key)
        return self._dialect.keys(key, keys, integer=self._plan.key_is_integer)

    def _with_others(self, rows: pa.Table, condition: str) -> Page:
        for joiner in self._lookups:
            rows = joiner.join(rows)
        children = {child.field: self._children(child, condition) for child in self._plan.children}
        return Page(rows=rows, children=children)

    def _children(self, child: ChildPlan, condition: str) -> pa.Table:
        dialect, shape = self._dialect, self._child_shapes[child.field]
        if shape is None:
            return pa.table({name: pa.array([], pa.large_binary()) for name in child.columns})
        chosen = ", ".join(
            f"{dialect.value('c', name, shape)} AS {dialect.name(name)}" for name in child.columns
        )
        order = [dialect.column("q", self._plan.key)]
        order += [dialect.column("c", child.order)] if child.order else []
        statement = (
            f"SELECT {chosen} FROM ({child.query}) c JOIN ({self._plan.query}) q "  # noqa: S608
            f"ON {dialect.column('c', child.key)} = {dialect.column('q', child.on)} "
            f"WHERE {condition} AND {self._wanted} ORDER BY {', '.join(order)}"
        )
        return self._engine.fetch(statement)[0]


class _Joiner:
    """Adds the columns of one look-up, asking only for keys it has not seen."""

    def __init__(self, engine: Engine, lookup: LookupPlan) -> None:
        self._engine = engine
        self._lookup = lookup
        self._columns = tuple(dict.fromkeys((lookup.key, *lookup.columns.values())))
        self._shape = engine.shape(lookup.query, self._columns)
        self._asked = pa.array([], pa.large_binary())
        self._known: pa.Table | None = None

    def join(self, rows: pa.Table) -> pa.Table:
        """Return the rows with the look-up's columns, null where it has no such key."""
        wanted = rows[self._lookup.on]
        fresh = pc.unique(wanted)
        fresh = fresh.filter(pc.invert(pc.is_in(fresh, self._asked))).drop_null()
        if len(fresh):
            if len(self._asked) > _CACHED_KEYS:
                self._asked, self._known = self._asked[:0], None
                fresh = pc.unique(wanted).drop_null()
            self._ask(fresh)
        for name, column in self._lookup.columns.items():
            if self._known is None:
                values = pa.nulls(rows.num_rows, pa.large_binary())
            else:
                found = pc.index_in(wanted, self._known[self._lookup.key], skip_nulls=True)
                values = self._known[column].take(found)
            rows = rows.append_column(name, values)
        return rows

    def _ask(self, keys: pa.Array) -> None:
        dialect, lookup = self._engine.dialect, self._lookup
        chosen = ", ".join(
            f"{dialect.value('l', name, self._shape)} AS {dialect.name(name)}"
            for name in self._columns
        )
        integer = lookup.key in self._shape.integers
        tables = [] if self._known is None else [self._known]
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE].to_pylist()
            condition = dialect.keys(dialect.column("l", lookup.key), some, integer=integer)
            statement = f"SELECT {chosen} FROM ({lookup.query}) l WHERE {condition}"  # noqa: S608
            tables.append(self._engine.fetch(statement)[0])
        self._known = pa.concat_tables(tables).combine_chunks()
        self._asked = pa.concat_arrays(
            [self._asked, keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys]
        )


def _child_shape(engine: Engine, child: ChildPlan) -> Shape | None:
    """Return what is known about a child query; None if its table may be missing and is."""
    try:
        return engine.shape(child.query, child.columns)
    except BaseException as error:  # a Rust panic is no Exception
        known = failures.recognise(str(error))
        if child.optional and known and known.detail.startswith(failures.NO_TABLE):
            return None
        raise


def known_shape(engine: Engine, plan: ReadPlan) -> Shape:
    """Return the shape of the plan's query, after checking that it fits the plan.

    Raises:
        ReadError: A column is missing, or the query returns one that must never be kept.
    """
    shape = engine.shape(plan.query, plan.columns)
    names = {name.lower() for name in shape.names}
    if names:
        missing = [name for name in plan.columns if name.lower() not in names]
        if missing:
            raise ReadError("column", f"the source has no column {', '.join(missing)}")
    kept = sorted(names & set(plan.forbidden))
    if kept:
        detail = f"its query returns {', '.join(kept)}, which must never be kept"
        raise ReadError("mapping", detail)
    integers = shape.integers - set(plan.text_columns)
    return replace(shape, integers=integers)


def _ascend(keys: pa.ChunkedArray, before: bytes | None) -> bool:
    """Return whether integer keys rise, from the page before on.

    Raises:
        ReadError: They are no integers.
    """
    try:
        numbers = pc.cast(pc.cast(keys, pa.string()), pa.int64()).combine_chunks()
    except pa.ArrowInvalid:
        detail = 'the key is no integer below 2^63; the mapping needs key_kind = "text"'
        raise ReadError("mapping", detail) from None
    rising = bool(pc.all(pc.greater(numbers[1:], numbers[:-1]), min_count=0).as_py())
    return rising and (before is None or numbers[0].as_py() > int(before))
