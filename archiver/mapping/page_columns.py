"""A page's columns: raw, checked as text when somebody reads them as text, or only parsed."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from archiver.errors import MappingError, Said
from archiver.mapping import columns
from archiver.mapping.faults import Faults, Forgiving
from archiver.mapping.model import OrderMapping


class PageColumns:
    """The columns of one page, and the faults found in them."""

    def __init__(self, rows: pa.Table, mapping: OrderMapping, source: str) -> None:
        """Take the mapping's columns.

        Raises:
            MappingError: One is missing.
        """
        self.raw = chosen(rows, mapping.page_columns, source)
        self.faults = Faults(rows.num_rows)
        self._mapping = mapping
        self._texts: dict[str, pa.Array] = {}
        self._parsed: set[str] = set()

    def text(self, name: str) -> pa.Array:
        """Return a column as text; a look-up's faults are not the order's."""
        if name not in self._texts:
            sink = Forgiving() if name in self._mapping.lookup_columns else self.faults
            self._texts[name] = columns.text(self.raw[name], name, sink)
        return self._texts[name]

    def bare(self, name: str) -> pa.Array:
        """Return a column that is only parsed, unchecked."""
        self._parsed.add(name)
        return columns.unchecked(self.raw[name])

    def replace(self, name: str, rows: pa.Array, values: pa.Array) -> None:
        """Put other text into some rows, for everybody who reads the column from now on."""
        self._texts[name] = pc.replace_with_mask(self.text(name), rows, values)
        raw = pc.cast(values, pa.large_binary())
        self.raw[name] = pc.replace_with_mask(self.raw[name], rows, raw)

    def check_the_rest(self) -> None:
        """Check columns that nobody looked at (a look-up's key): all that counts is checked."""
        for name in self._mapping.own_columns:
            if name not in self._parsed:
                self.text(name)


def chosen(table: pa.Table, names: Iterable[str], source: str) -> dict[str, pa.Array]:
    """Return a table's columns by name, each as one array.

    Raises:
        MappingError: One is missing.
    """
    missing = [name for name in names if name not in table.column_names]
    if missing:
        detail = Said(
            f"the source has no column {', '.join(missing)}", f"数据源没有列 {'、'.join(missing)}"
        )
        raise MappingError(source=source, detail=detail)
    return {name: flat(table[name]) for name in names}


def flat(column: pa.ChunkedArray) -> pa.Array:
    """Return a table's column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)
