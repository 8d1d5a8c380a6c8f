"""What a build has read so far: sorted runs on disk, so that it goes on where it was ended.

A run holds the pieces of a stretch of partitions, as many as fit into memory at once. Runs lie
beside the published index and replace nothing until all of them are merged.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver.index.files import read_arrow, read_rows, write_arrow, write_rows
from archiver.index.reading import Piece, Places, Rows, Tokens
from archiver.local_files import disk_errors, make_durable, write_whole
from archiver.tokens import ascending

RUN_TOKENS: Final = 8_000_000
"""Tokens of a run: 128 MB, three times that while they are sorted."""
_WIDTH: Final = 8
"""Bytes of a token, and of a place."""
_PROGRESS: Final = "progress.json"


@dataclass(slots=True)
class Run:
    """Sorted tokens of a finished run.

    Only what is asked for is read: mapped whole, all runs together would count as our memory.
    """

    folder: Path
    number: int

    def between(self, low: int, high: int) -> tuple[Tokens, Places]:
        """Return a stretch, ends included."""
        path = _raw(self.folder, self.number, "tokens")
        if not path.stat().st_size:
            return self._read("tokens", 0, 0), self._read("places", 0, 0)
        tokens = np.memmap(path, np.int64, mode="r")
        start = int(np.searchsorted(tokens, low, side="left"))
        end = int(np.searchsorted(tokens, high, side="right"))
        return self._read("tokens", start, end), self._read("places", start, end)

    def _read(self, name: str, start: int, end: int) -> NDArray[np.int64]:
        path = _raw(self.folder, self.number, name)
        return np.fromfile(path, np.int64, count=end - start, offset=start * _WIDTH)


@dataclass(slots=True, kw_only=True)
class Runs:
    """The runs of one build.

    Attributes:
        folder: Where they are.
        about: What they are for; runs for something else are of no use.
        partitions: How many of the build's partitions are in finished runs.
        manifest: The last one of which they hold something.
        head: Its SHA-256.
        count: Finished runs.
        tokens: In them.
        years: Of their partitions' cohorts.
    """

    folder: Path
    about: dict[str, Any]
    partitions: int = 0
    manifest: int = 0
    head: str | None = None
    count: int = 0
    tokens: int = 0
    years: set[str] = field(default_factory=set)
    _pieces: list[Piece] = field(default_factory=list)
    _waiting: int = 0

    def resume(self) -> None:
        """Take over what an earlier, ended build of the same has finished; else begin anew."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            noted = json.loads((self.folder / _PROGRESS).read_bytes())
            if noted["about"] == self.about:
                self.partitions, self.years = int(noted["partitions"]), set(noted["years"])
                self.count, self.tokens = int(noted["count"]), int(noted["tokens"])
                self.manifest, self.head = int(noted["manifest"]), noted["head"]
                return
        self.clear()

    def clear(self) -> None:
        """Remove all runs."""
        with disk_errors(self.folder.parent):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)

    def add(self, piece: Piece, manifest: int, head: str) -> None:
        """Add the next partition, which the manifest with this SHA-256 names."""
        self._pieces.append(piece)
        self._waiting += len(piece.tokens)
        self.years.add(year_of(piece.partition["cohort"][0].as_py()))
        self.manifest, self.head = manifest, head
        if self._waiting >= RUN_TOKENS:
            self.flush()

    def flush(self) -> None:
        """Write what waits as a run, durable when this returns."""
        if not self._pieces:
            return
        tokens = np.concatenate([one.tokens for one in self._pieces])
        places = np.concatenate([one.places for one in self._pieces])
        order = ascending(tokens)
        with disk_errors(self.folder):
            for name, array in (("tokens", tokens[order]), ("places", places[order])):
                array.tofile(_raw(self.folder, self.count, name))
            write_rows(self._path("rows.raw"), (one.rows for one in self._pieces))
            records = [one.partition for one in self._pieces]
            write_arrow(self._path("partitions.arrow"), pa.concat_tables(records))
            for name in ("tokens.raw", "places.raw", "rows.raw", "partitions.arrow"):
                make_durable(self._path(name))
        self.count += 1
        self.tokens += len(tokens)
        self.partitions += len(self._pieces)
        self._pieces, self._waiting = [], 0
        self._note()

    def sources(self) -> list[Run]:
        """Return the tokens of all runs."""
        return [Run(self.folder, number) for number in range(self.count)]

    def rows(self) -> Iterator[Rows]:
        """Yield the rows of all runs, in the order of their places."""
        for number in range(self.count):
            yield read_rows(self.folder / f"{number}.rows.raw")

    def records(self) -> Sequence[pa.Table]:
        """Return the partitions of all runs, in the order of their places."""
        return [read_arrow(self.folder / f"{n}.partitions.arrow") for n in range(self.count)]

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.count}.{name}"

    def _note(self) -> None:
        content = {
            "about": self.about,
            "partitions": self.partitions,
            "manifest": self.manifest,
            "head": self.head,
            "count": self.count,
            "tokens": self.tokens,
            "years": sorted(self.years),
        }
        write_whole(self.folder / _PROGRESS, json.dumps(content).encode())


def _raw(folder: Path, number: int, name: str) -> Path:
    return folder / f"{number}.{name}.raw"


def year_of(cohort: str) -> str:
    """Return the year of a cohort, by which its search tokens have their key."""
    return cohort.rpartition("-")[0][-7:-3]
