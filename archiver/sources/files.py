"""Files as a source: CSV, TSV, JSON lines and Parquet, asked like a database's table `files`.

Each opening reads all files into a SQLite database in memory, which goes with the process: card
secrets must not reach a temporary file in plain. Large exports are better given in several
folders or by day, for memory grows with them. Every value is kept as the bytes of its text. The
column `file` names a row's file and `file_row` its place there (`name:000000000017`): unique, in
order, and the same when more files come.

Refuses, by file and line, whatever it cannot read whole: nothing is left out.
"""

import csv
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archiver.sources.engines import SqliteFile
from archiver.sources.failures import ReadError

SCHEME: Final = "file:"
OWN_COLUMNS: Final = ("file_row", "file")
_CACHE_KIB: Final = 64 * 1024
_FIELD_BYTES: Final = 64 * 1024 * 1024
_BATCH_ROWS: Final = 4_096
_BOM: Final = "\ufeff"

Row = tuple[int, Sequence[str | bytes | None]]
"""Place in the file, and values by the file's columns."""


class Files(SqliteFile):
    """The rows of some files."""

    def __init__(self, place: str) -> None:
        """Read all files of a folder, or all that match a pattern, in the order of their names.

        Raises:
            ReadError: There are none, one is broken or unlike the others, or they changed.
        """
        csv.field_size_limit(_FIELD_BYTES)
        before = _found(place)
        self._connection = sqlite3.connect(":memory:")
        self._connection.text_factory = bytes
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        table = _Table(self._connection)
        for path, _ in before:
            table.add(path)
        if _found(place) != before:
            raise ReadError("unavailable", "the files changed while they were read")
        self._connection.commit()
        self._connection.execute("PRAGMA query_only = ON")


@dataclass(slots=True)
class _Table:
    """The table that is being filled."""

    connection: sqlite3.Connection
    columns: list[str] = field(default_factory=list)
    header: frozenset[str] | None = None
    """The columns of the first file that has fixed ones."""

    def __post_init__(self) -> None:
        own = "file_row TEXT PRIMARY KEY, file TEXT"
        self.connection.execute(f"CREATE TABLE files ({own}) WITHOUT ROWID")

    def add(self, path: Path) -> None:
        """Add a file's rows."""
        try:
            for columns, rows in _READERS[path.suffix.lower()](path):
                self._need(path, columns, fixed=path.suffix.lower() not in _LOOSE)
                self._insert(path.name, columns, rows)
        except FileNotFoundError:
            raise ReadError("unavailable", "the files changed while they were read") from None
        except (OSError, pa.ArrowException, UnicodeError):
            raise ReadError("unavailable", f"{path.name} cannot be read") from None

    def _need(self, path: Path, columns: Sequence[str], *, fixed: bool) -> None:
        folded = [name.lower() for name in columns]
        if len({*folded, *OWN_COLUMNS}) != len(folded) + len(OWN_COLUMNS) or "" in folded:
            raise ReadError("mapping", f"two columns of {path.name} have the same name, or none")
        if fixed:
            here = frozenset(columns)
            self.header = self.header or here
            if here != self.header:
                missing = (f"-{name}" for name in sorted(self.header - here))
                unknown = (f"+{name}" for name in sorted(here - self.header))
                told = f"{path.name}: {', '.join((*missing, *unknown))}"
                raise ReadError("column", f"a file's columns differ from the first one's: {told}")
        known = {name.lower() for name in self.columns}
        for name in columns:
            if name.lower() not in known:
                self.connection.execute(f"ALTER TABLE files ADD COLUMN {_quoted(name)}")
                self.columns.append(name)

    def _insert(self, file: str, columns: Sequence[str], rows: Iterator[Row]) -> None:
        names = ", ".join(map(_quoted, (*OWN_COLUMNS, *columns)))
        # By way of a cast, because text of Python's cannot hold bytes that are no UTF-8.
        marks = ", ".join(["CAST(? AS TEXT)"] * (len(columns) + len(OWN_COLUMNS)))
        self.connection.executemany(
            f"INSERT INTO files ({names}) VALUES ({marks})",  # noqa: S608  (names are quoted)
            (
                [_bytes(f"{file}:{place:012d}"), _bytes(file), *map(_bytes, values)]
                for place, values in rows
            ),
        )


def _found(place: str) -> list[tuple[Path, tuple[int, ...]]]:
    """Return the files with what shows that one was changed."""
    folder = Path(place)
    matching = glob(place)  # noqa: PTH207  (it may be absolute)
    given = folder.iterdir() if folder.is_dir() else map(Path, matching)
    paths = [path for path in given if not path.name.startswith(".")]
    if not paths:
        raise ReadError("access", f"there is no file {place}")
    for path in paths:
        if path.suffix.lower() not in _READERS or not path.is_file():
            raise ReadError("mapping", f"{path.name} is no CSV, TSV, JSONL or Parquet file")
    if len({path.name for path in paths}) != len(paths):
        raise ReadError("mapping", f"two files of {place} have the same name")
    found: list[tuple[Path, tuple[int, ...]]] = []
    for path in sorted(paths, key=lambda path: path.name):
        try:
            now = path.stat()
        except FileNotFoundError:
            raise ReadError("unavailable", "the files changed while they were read") from None
        found.append((path, (now.st_ino, now.st_size, now.st_mtime_ns)))
    return found


Portions = Iterator[tuple[Sequence[str], Iterator[Row]]]


def _separated(path: Path, delimiter: str) -> Portions:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        if file.read(1) != _BOM:
            file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header = _next_line(reader, path)
        if not header:
            raise ReadError("mapping", f"{path.name}: there is no header")
        yield [name.strip() for name in header], _lines(reader, path, len(header))


def _lines(reader: Any, path: Path, fields: int) -> Iterator[Row]:  # noqa: ANN401  (csv's own)
    begin = reader.line_num
    while (values := _next_line(reader, path)) is not None:
        if values and len(values) != fields:
            told = f"{path.name}:{begin + 1}"
            raise ReadError("mapping", f"{told}: this line has not as many fields as the header")
        if values:
            yield begin + 1, values
        begin = reader.line_num


def _next_line(reader: Any, path: Path) -> list[str] | None:  # noqa: ANN401  (csv's own)
    begin = reader.line_num
    try:
        line: list[str] | None = next(reader, None)
    except csv.Error:
        raise ReadError("mapping", f"{path.name}:{begin + 1}: this line is broken") from None
    return line


def _json_lines(path: Path) -> Portions:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not (text := line.removeprefix(_BOM if number == 1 else "").strip()):
                continue
            try:
                fields = json.loads(
                    text,
                    parse_int=str,
                    parse_float=str,
                    parse_constant=str,
                    object_pairs_hook=_distinct,
                )
            except (ValueError, RecursionError):
                fields = None
            if not isinstance(fields, dict):
                raise ReadError("mapping", f"{path.name}:{number}: this line is broken")
            yield list(fields), iter([(number, [_text(value) for value in fields.values()])])


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


def _parquet(path: Path) -> Portions:
    with pq.ParquetFile(path) as file:
        places = itertools.count(1)
        yield file.schema_arrow.names, iter(())
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            columns = [_texts(column) for column in batch.columns]
            rows = zip(*columns, strict=True)
            yield batch.schema.names, ((next(places), values) for values in rows)


def _texts(column: pa.Array) -> list[str | bytes | None]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_nested(kind):
        return [_text(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        column = column.cast(pa.timestamp(kind.unit, tz="UTC"))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values: list[str | bytes | None] = column.to_pylist()
    else:
        values = pc.cast(column, pa.large_string()).cast(pa.large_binary()).to_pylist()
    return values


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _bytes(value: str | bytes | None) -> bytes | None:
    """Return a text's bytes as they were read; halves of letters, which JSON can name, as well."""
    if not isinstance(value, str):
        return value
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_READERS: Final[dict[str, Callable[[Path], Portions]]] = {
    ".csv": lambda path: _separated(path, ","),
    ".tsv": lambda path: _separated(path, "\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
_LOOSE: Final = (".jsonl", ".ndjson")
"""Writers of JSON leave out what is null: columns may differ from line to line."""
