"""`python -m tests.bench.index_build FOLDER TOKENS`: builds an index of generated tokens.

Random tokens of eight kinds, in partitions of 100,000 orders, over four years of cohorts; a few are
those of real values, so that they can be asked for. Prints the seconds that building took, without
generating.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import pyarrow as pa

from archiver.index.files import new_name, write_segment
from archiver.index.places import PARTITIONS, ROW
from archiver.index.pointer import Pointer
from archiver.index.reading import Piece, sealed_names, signed
from archiver.index.runs import Runs
from archiver.search_tokens import ALL_KINDS, Kind, SearchKeys, token_of

ARCHIVE: Final = "0" * 32
KEYS: Final = SearchKeys(bytes(range(32)))
YEARS: Final = ("2029", "2030", "2031", "2032")
ORDERS: Final = 100_000
"""Of a partition."""
TOKENS: Final = 8
"""Of an order."""
ASKED: Final = 2_000
"""Values that can be asked for, `v0@example.com` and so on, each of one order."""
_DAY_US: Final = 86_400_000_000


def pieces(total: int, first: int = 0) -> Iterator[Piece]:
    """Yield what the partitions of a day each would give, their places from `first` on."""
    random = np.random.default_rng(1)
    count = max(1, total // (ORDERS * TOKENS))
    of = random.integers(0, count, ASKED)
    for number in range(count):
        year = YEARS[number * len(YEARS) // count]
        start = first + number * ORDERS
        tokens = random.integers(0, 1 << 64, ORDERS * TOKENS, dtype=np.uint64)
        for one in np.flatnonzero(of == number).tolist():
            tokens[one] = token_of(KEYS, Kind.CONTACT, f"v{one}@example.com", year)
        times = number * _DAY_US + np.sort(random.integers(0, _DAY_US, ORDERS))
        rows = np.ones(ORDERS, ROW)
        rows["completed"] = times
        yield Piece(
            tokens=signed(tokens),
            places=np.tile(np.arange(start, start + ORDERS), TOKENS),
            rows=rows,
            partition=_record(number, start, year),
        )


def _record(number: int, first: int, year: str) -> pa.Table:
    key = f"orders/main/{number:08d}.parquet"
    record = {
        "first": first,
        "rows": ORDERS,
        "manifest": number + 1,
        "source": "main",
        "day": date(2026, 1, 1) + timedelta(days=number),
        "cohort": f"orders-{year}-01-00000000",
        "key": key,
        "version_id": "v" * 20,
        "size_bytes": 10_000_000,
        "footer_length": 250_000,
        "footer_sha256": "0" * 64,
        "row_groups": [value for n in range(10) for value in (n * 900_000, 900_000, 10_000)],
        "keys": '{"base": "' + "x" * 1558 + '", "reveal": "' + "x" * 1558 + '"}',
        "kinds": sorted(map(int, ALL_KINDS)),
        "names": sealed_names(KEYS, {"product": [f"点卡 {n}" for n in range(30)]}, key),
    }
    return pa.Table.from_pylist([record], schema=PARTITIONS)


def main(where: str, tokens: str) -> None:
    """Build it as a rebuild does, from pieces on."""
    folder = Path(where)
    runs = Runs(folder=folder / "building", about={})
    runs.clear()
    seconds = 0.0
    for number, piece in enumerate(pieces(int(tokens)), 1):
        started = perf_counter()
        runs.add(piece, number, "0" * 64)
        seconds += perf_counter() - started
    started = perf_counter()
    runs.flush()
    noted = write_segment(
        folder,
        new_name(),
        runs.sources(),
        runs.rows(),
        pa.concat_tables(runs.records()),
        total=runs.tokens,
        years=YEARS,
    )
    pointer = Pointer(archive=ARCHIVE, manifest=1, head="0" * 64, days={}, segments=[noted])
    pointer.write(folder)
    seconds += perf_counter() - started
    runs.clear()
    print(seconds)


def widen(search: Path, tokens: int) -> None:
    """Add a segment of generated partitions behind the first, which is real."""
    pointer = Pointer.read(search)
    assert pointer is not None
    real = pointer.segments[0]
    runs = Runs(folder=search / "generated", about={})
    runs.clear()
    for number, piece in enumerate(pieces(tokens, first=real.first + real.rows), 1):
        runs.add(piece, number, "0" * 64)
    runs.flush()
    noted = write_segment(
        search,
        new_name(),
        runs.sources(),
        runs.rows(),
        pa.concat_tables(runs.records()),
        total=runs.tokens,
        years=YEARS,
    )
    replace(pointer, segments=[real, noted]).write(search)
    runs.clear()


if __name__ == "__main__":
    main(*sys.argv[1:])
