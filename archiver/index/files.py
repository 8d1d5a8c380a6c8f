"""One local segment: three immutable files of a stretch of partitions.

`tokens.duckdb` has (token, place), sorted by token, in one table for each stretch of some million
tokens: DuckDB's zone maps find one of them as fast in a hundred million as in four. Its blocks
carry checksums. `rows.raw` has what each row's place leads to before
anything is decrypted, mapped into memory: by place, so that eight tokens of an order share it.
`partitions.arrow` has where the partitions are.
"""

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import numpy as np
import pyarrow as pa

from archiver.errors import LocalDiskError, Said
from archiver.index.places import PARTITIONS, ROW
from archiver.index.reading import Places, Rows, Tokens
from archiver.local_files import disk_errors, make_durable

MEMORY: Final = "1GB"
"""Of DuckDB while it writes. It is given sorted portions, so it never spills to disk."""
BLOCK_BYTES: Final = 1 << 16
"""A question reads a block or two of each year whole, checksum included. DuckDB's default is four
times as large and saves 4 % of the space."""
PORTION: Final = 4_000_000
"""Tokens that are merged at once: about 400 MB with all copies that sorting makes."""
LOWEST: Final = -(1 << 63)
HIGHEST: Final = (1 << 63) - 1
_NONE: Final = np.zeros(0, np.int64)
_PARTS: Final = ("tokens.duckdb", "rows.raw", "partitions.arrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What the pointer says of a local segment."""

    name: str
    first: int
    """Place of its first row."""
    rows: int
    tokens: int
    tables: int
    """In how many its tokens are."""
    years: Sequence[str]
    """Of its partitions' cohorts: tokens of other years need not be looked for."""
    files: Mapping[str, Mapping[str, str | int]]
    """Of each file its SHA-256, and what tells whether to compute that again."""


class TokenSource(Protocol):
    """Something sorted that is merged."""

    def between(self, low: int, high: int) -> tuple[Tokens, Places]:
        """Return tokens from `low` to `high`, both included, with their places."""


class UnusableError(ValueError):
    """A local file is not what this host wrote. Says which, for people."""


@dataclass(slots=True)
class TokenFile:
    """The tokens of a finished segment."""

    path: Path
    tables: int

    def between(self, low: int, high: int) -> tuple[Tokens, Places]:
        """Return a stretch."""
        try:
            with duckdb.connect(config={"threads": "2"}) as connection:
                connection.execute(f"ATTACH {quoted(self.path)} AS s (READ_ONLY)")
                first, last = (table_of(bound, self.tables) for bound in (low, high))
                query = " UNION ALL ".join(
                    f"SELECT token, place FROM s.tokens{number} "  # noqa: S608
                    "WHERE token BETWEEN ?::BIGINT AND ?::BIGINT"
                    for number in range(first, last + 1)
                )
                bounds = [low, high] * (last - first + 1)
                found = connection.execute(query, bounds).fetchnumpy()
        except duckdb.Error:
            message = f"{self.path.name} cannot be read"
            raise UnusableError(message) from None
        return found["token"], found["place"]


def paths_of(folder: Path, name: str) -> dict[str, Path]:
    """Return the files of a local segment."""
    return {part: folder / f"{name}.{part}" for part in _PARTS}


def files_of_segments(folder: Path) -> Iterator[Path]:
    """Yield all files of segments in a folder, whole or not."""
    for part in (*_PARTS, "tokens.duckdb.wal"):
        yield from folder.glob(f"*.{part}")


def write_segment(
    folder: Path,
    name: str,
    sources: Sequence[TokenSource],
    rows: Iterable[Rows],
    partitions: pa.Table,
    *,
    total: int,
    years: Sequence[str],
) -> Noted:
    """Merge sorted tokens into a new segment, durable when this returns.

    Memory stays bounded: the tokens' range is cut into stretches of about `PORTION`, for tokens
    are evenly spread, and each is sorted by itself.

    Args:
        folder: Where to.
        name: Of the segment.
        sources: What is merged.
        rows: ROW of all its partitions, in the order of their places.
        partitions: PARTITIONS of all of them.
        total: How many tokens the sources have.
        years: Of the partitions' cohorts.
    """
    paths = paths_of(folder, name)
    files = {}
    try:
        with disk_errors(folder), _disk_errors_of_duckdb(folder):
            _write_tokens(paths["tokens.duckdb"], sources, total)
            count = write_rows(paths["rows.raw"], rows)
            write_arrow(paths["partitions.arrow"], partitions.cast(PARTITIONS))
            for part, path in paths.items():
                make_durable(path)
                files[part] = {"sha256": _sha256(path), **_place(path)}
    except (LocalDiskError, UnusableError):
        for path in files_of_segments(folder):
            if path.name.startswith(f"{name}."):
                path.unlink(missing_ok=True)  # half of it would take the space that is missing
        raise
    first = partitions["first"][0].as_py() if len(partitions) else 0
    return Noted(
        name=name,
        first=first,
        rows=count,
        tokens=total,
        tables=len(list(stretches(total))),
        years=sorted(years),
        files=files,
    )


def require_sound(folder: Path, noted: Noted) -> None:
    """Check that a segment's files are those that were written.

    The partitions' file, which is small, is read through. The others are only where inode, time
    or size say that somebody else has put them there; tokens that rot are found by DuckDB's
    checksums when they are read, and what is said of a row is compared with the decrypted order.

    Raises:
        UnusableError: One is not.
        OSError: One is missing.
    """
    for part, path in paths_of(folder, noted.name).items():
        said, now = noted.files[part], _place(path)
        same = now == {name: said[name] for name in now} and part != "partitions.arrow"
        if not same and _sha256(path) != said["sha256"]:
            message = f"{path.name} was altered"
            raise UnusableError(message)


def write_rows(path: Path, rows: Iterable[Rows]) -> int:
    """Write rows; return how many there are."""
    with path.open("wb") as file:
        for some in rows:
            some.tofile(file)
        return file.tell() // ROW.itemsize


def read_rows(path: Path) -> Rows:
    """Return rows, mapped into memory."""
    if not path.stat().st_size:
        return np.zeros(0, ROW)  # nothing cannot be mapped
    return np.memmap(path, ROW, mode="r")


def read_arrow(path: Path) -> pa.Table:
    """Return a table, mapped into memory."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


@contextmanager
def _disk_errors_of_duckdb(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        # It says how much it wrote where, not why; on a new file there is one reason.
        detail = Said(f"{folder}: the index could not be written", f"{folder}：无法写入索引")
        raise LocalDiskError(detail=detail) from error


def _portion(sources: Sequence[TokenSource], low: int, high: int) -> pa.Table:
    parts = [(_NONE, _NONE), *(source.between(low, high) for source in sources)]
    tokens = np.concatenate([tokens for tokens, _ in parts])
    places = np.concatenate([places for _, places in parts])
    # What sorts stably here merges runs that are sorted already, six times as fast as it sorts.
    order = np.argsort(tokens, kind="stable")
    return pa.table({"token": tokens[order], "place": places[order]})


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write a table."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def quoted(path: Path) -> str:
    """Return a path as an SQL string."""
    text = str(path).replace("'", "''")
    return f"'{text}'"


def stretches(total: int) -> Iterator[tuple[int, int]]:
    """Cut the range of tokens so that each stretch, ends included, holds about `PORTION`."""
    bounds = _bounds(max(1, -(-total // PORTION)))
    yield from zip(bounds, [*(bound - 1 for bound in bounds[1:]), HIGHEST], strict=True)


def table_of(token: int, tables: int) -> int:
    """Return the number of the table in which a signed token is, if it is there."""
    return bisect_right(_bounds(tables), token) - 1


@cache
def _bounds(count: int) -> list[int]:
    return [LOWEST + (1 << 64) * number // count for number in range(count)]


def _write_tokens(path: Path, sources: Sequence[TokenSource], total: int) -> None:
    config: dict[str, Any] = {
        "memory_limit": MEMORY,
        "threads": "2",
        "temp_directory": "",
        "default_block_size": str(BLOCK_BYTES),
    }
    with duckdb.connect(str(path), config=config) as connection:
        written = 0
        # While DuckDB writes one portion, the next one is merged.
        with ThreadPoolExecutor(1, "merge") as executor:
            bounds = list(stretches(total))
            ahead = executor.submit(_portion, sources, *bounds[0])
            for number, following in enumerate([*bounds[1:], None]):
                portion = ahead.result()
                if following is not None:
                    ahead = executor.submit(_portion, sources, *following)
                connection.register("portion", portion)
                table = f"tokens{number}"
                connection.execute(
                    f"CREATE TABLE {table} (token BIGINT NOT NULL, place BIGINT NOT NULL)"
                )
                connection.execute(f"INSERT INTO {table} SELECT token, place FROM portion")  # noqa: S608
                connection.unregister("portion")
                written += len(portion)
        # Closing would swallow it if this fails, and leave what was written in the log beside it.
        connection.execute("CHECKPOINT")
    if written != total:
        message = f"{written} of {total} tokens were merged"
        raise UnusableError(message)


def _place(path: Path) -> dict[str, str | int]:
    found = path.stat()
    return {"inode": found.st_ino, "mtime_ns": found.st_mtime_ns, "size": found.st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def new_name() -> str:
    """Return a name that no file has."""
    return os.urandom(8).hex()
