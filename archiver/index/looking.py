"""Asking the local index: places of the orders that have what is asked for, newest first.

Responsible for never answering in part: every segment that the pointer names is there and is
the one that was written, or there is no answer. An opened index stays what it was while newer
ones are published.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver.errors import IndexStaleError, IndexUnusableError, RequestError, Said
from archiver.index.building import lacking, unusable
from archiver.index.files import (
    Noted,
    UnusableError,
    paths_of,
    quoted,
    read_arrow,
    read_rows,
    require_sound,
    table_of,
)
from archiver.index.keys import open_names
from archiver.index.places import OPEN, Coverage, Hit, Lacking, PartitionPlace
from archiver.index.pointer import Pointer
from archiver.search_tokens import Criterion, Kind, SearchKeys, folded
from schemas.documents import Footer

ATTEMPTS: Final = 20
"""Openings that each meet another publication."""
BULK: Final = 8
"""Tokens from which on reading all of a small index through is faster than asking for each."""
ASKED_MEANWHILE: Final = 100_000
"""Tokens of the index that are read through in the time that one takes that is asked for."""
FEW: Final = 1_000
"""Rows that are cheaper as Python's numbers than as arrays."""
OPTIMIZERS: Final = frozenset(
    {"filter_pushdown", "join_filter_pushdown", "unused_columns", "statistics_propagation"}
)
"""DuckDB's, of which the questions need these. All 40 take longer than looking a token up."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Places = NDArray[np.int64]
_NONE: Final = np.zeros(0, np.int64)


@dataclass(slots=True)
class _Segment:
    """One segment, opened."""

    noted: Noted
    alias: str
    completed: NDArray[np.int64]
    """Microseconds since 1970, by place less the first one; `OPEN` for none."""
    revision: NDArray[np.int32]
    partitions: pa.Table
    firsts: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path, noted: Noted, alias: str) -> "_Segment":
        require_sound(folder, noted)
        paths = paths_of(folder, noted.name)
        rows, partitions = read_rows(paths["rows.raw"]), read_arrow(paths["partitions.arrow"])
        return cls(
            noted=noted,
            alias=alias,
            completed=rows["completed"],
            revision=rows["revision"],
            partitions=partitions,
            firsts=partitions["first"].to_numpy(),
        )


@dataclass(slots=True, kw_only=True)
class Index:
    """A published index, as it was when it was opened. Threads may share it."""

    folder: Path
    pointer: Pointer
    _segments: list[_Segment] = field(repr=False)
    _connection: duckdb.DuckDBPyConnection = field(repr=False)
    _places: dict[tuple[int, int], PartitionPlace] = field(default_factory=dict, repr=False)
    _lacking: dict[frozenset[Kind], list[Lacking]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path, archive: str) -> "Index":
        """Open what is published.

        Args:
            folder: Where it is.
            archive: The archive's id.

        Raises:
            IndexUnusableError: There is none, it is damaged, or it is another archive's.
        """
        for _ in range(ATTEMPTS):
            pointer = _published(folder)
            if pointer.archive != archive:
                other = Said("it is of another archive", "它属于另一个档案库")
                raise IndexUnusableError(detail=other)
            try:
                return cls._opened(folder, pointer)
            except (UnusableError, OSError, pa.ArrowInvalid, duckdb.Error) as error:
                # A publication may have removed what the pointer named when it was read.
                if _published(folder) == pointer:
                    raise unusable(error) from None
        raise IndexUnusableError(
            detail=Said("it is replaced faster than it can be opened", "其更新快于打开速度")
        )

    @classmethod
    def _opened(cls, folder: Path, pointer: Pointer) -> "Index":
        connection = duckdb.connect(config={"threads": "1", "temp_directory": ""})
        segments = []
        for number, noted in enumerate(pointer.segments):
            segment = _Segment.open(folder, noted, f"s{number}")
            path = paths_of(folder, noted.name)["tokens.duckdb"]
            connection.execute(f"ATTACH {quoted(path)} AS {segment.alias} (READ_ONLY)")
            segments.append(segment)
        every = connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        needless = ",".join(name for (name,) in every if name not in OPTIMIZERS)
        connection.execute(f"SET disabled_optimizers = '{needless}'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return cls(folder=folder, pointer=pointer, _segments=segments, _connection=connection)

    def renewed(self) -> "Index":
        """Return the index that is published now: this one, or a newer one, opened.

        Raises:
            IndexUnusableError: What is published cannot be used.
        """
        now = _published(self.folder)
        return self if now == self.pointer else Index.open(self.folder, self.pointer.archive)

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()

    # --- what it covers ---------------------------------------------------------------------------

    def covered(self) -> Coverage:
        """Return up to which manifest and on which days orders are found."""
        return Coverage(
            manifest=self.pointer.manifest,
            head=self.pointer.head,
            days=self.pointer.days,
            tokens=sum(one.noted.tokens for one in self._segments),
            orders=sum(one.noted.rows for one in self._segments),
        )

    def require_current(self, manifest: int) -> None:
        """Refuse to answer for an archive that has grown.

        Args:
            manifest: The number of the archive's last manifest.

        Raises:
            IndexStaleError: This index was built before it.
        """
        if self.pointer.manifest < manifest:
            raise IndexStaleError(known=self.pointer.manifest, manifest=manifest)

    def lacking(self, kinds: Iterable[Kind]) -> list[Lacking]:
        """Return by which of these kinds not all orders are found, and on which days."""
        asked = frozenset(kinds)
        if asked not in self._lacking:  # of a thousand partitions, and of every question
            self._lacking[asked] = lacking((one.partitions for one in self._segments), asked)
        return self._lacking[asked]

    def years(self) -> list[str]:
        """Return the years of cohorts, each with search tokens of its own."""
        return sorted({year for one in self._segments for year in one.noted.years})

    def partitions(
        self, *, first: date | None = None, last: date | None = None, source: str | None = None
    ) -> list[PartitionPlace]:
        """Return the partitions sealed under these days, newest first.

        A late order is sealed under the day of the night that found it, not that of its end.
        """
        found = []
        for number, segment in enumerate(self._segments):
            days = segment.partitions["day"].to_pylist()
            sources = segment.partitions["source"].to_pylist()
            for row, (day, name) in enumerate(zip(days, sources, strict=True)):
                inside = (first is None or day >= first) and (last is None or day <= last)
                if inside and source in (None, name):
                    found.append(self._partition(number, row))
        return sorted(found, key=lambda one: (one.day, one.first), reverse=True)

    def partitions_with(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        source: str | None = None,
    ) -> list[PartitionPlace]:
        """Return the partitions that hold orders of a time, newest first.

        Args:
            since: Completed at this instant or later.
            until: Completed before this instant. What has no completion yet is in any range.
            source: Of this one only.
        """
        found: list[PartitionPlace] = []
        for number, segment in enumerate(self._segments):
            completed = segment.completed
            inside = np.ones(len(completed), np.bool_)
            if since is not None:
                inside &= completed >= _microseconds(since)
            if until is not None:
                inside &= (completed < _microseconds(until)) | (completed == OPEN)
            ends = np.append(segment.firsts[1:], segment.noted.first + len(completed))
            sources = segment.partitions["source"].to_pylist()
            counts = np.concatenate([[0], np.cumsum(inside)])
            low, high = segment.firsts - segment.noted.first, ends - segment.noted.first
            found += [
                self._partition(number, row)
                for row in np.flatnonzero(counts[high] - counts[low]).tolist()
                if source in (None, sources[row])
            ]
        return sorted(found, key=lambda one: (one.day, one.first), reverse=True)

    # --- questions --------------------------------------------------------------------------------

    def find(
        self,
        criteria: Sequence[Criterion],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = True,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Hit]:
        """Return the rows that have all that is asked for, every revision one by one.

        Args:
            criteria: At least one.
            since: Completed at this instant or later.
            until: Completed before this instant. What has no completion yet is in any range.
            newest_first: By completion; else the oldest first.
            limit: At most so many.
            after: The cursor of the last hit of the page before.

        Raises:
            IndexUnusableError: A file rots; there is no answer.
        """
        have = self._token_places(self._wanted(criteria))
        places, *others = (self._combined(criterion, have) for criterion in criteria)
        for other in others:
            places = np.intersect1d(places, other, assume_unique=True)
        return self._page(
            places, since=since, until=until, newest_first=newest_first, limit=limit, after=after
        )

    def find_each(self, criteria: Sequence[Criterion]) -> list[list[Hit]]:
        """Return for each criterion by itself what it finds, newest first: thousands at once."""
        have = self._token_places(self._wanted(criteria))
        return [self._page(self._combined(criterion, have)) for criterion in criteria]

    def names(
        self, keys: SearchKeys, field_name: str, word: str
    ) -> dict[str, list[PartitionPlace]]:
        """Return the names that contain a word, and the partitions in which they occur.

        Args:
            keys: Names are sealed to the token key.
            field_name: `product`, `category` or `merchant`.
            word: Any part of a name; width and case do not matter.
        """
        looked_for = folded(word)
        found: dict[str, list[PartitionPlace]] = {}
        for number, row, names in self._names(keys):
            for name in names.get(field_name) or ():
                if looked_for in folded(name):
                    found.setdefault(name, []).append(self._partition(number, row))
        return dict(sorted(found.items()))

    def unnamed(self, keys: SearchKeys, field_name: str) -> list[PartitionPlace]:
        """Return the partitions without a dictionary of a field: any name may be in them."""
        return [
            self._partition(number, row)
            for number, row, names in self._names(keys)
            if names.get(field_name) is None
        ]

    # --- below ------------------------------------------------------------------------------------

    def _names(self, keys: SearchKeys) -> Iterable[tuple[int, int, Mapping[str, Any]]]:
        for number, segment in enumerate(self._segments):
            columns = (segment.partitions[name].to_pylist() for name in ("key", "names"))
            for row, (key, sealed) in enumerate(zip(*columns, strict=True)):
                if sealed:  # what was destroyed has none
                    yield number, row, json.loads(open_names(keys, sealed, key))

    def _wanted(self, criteria: Iterable[Criterion]) -> set[tuple[int, int]]:
        """Return the segments and the tokens that are to be looked for in each."""
        return {
            (number, token)
            for criterion in criteria
            for number, segment in enumerate(self._segments)
            for year in segment.noted.years
            for tokens in criterion.tokens(year)
            for token in tokens
        }

    def _combined(self, criterion: Criterion, have: Mapping[int, Places]) -> Places:
        """Return what any alternative finds, sorted: the places that have all of its tokens."""
        some = [_NONE]
        for year in self.years():
            for tokens in criterion.tokens(year):
                first, *others = (have.get(token, _NONE) for token in tokens)
                for other in others:
                    first = np.intersect1d(first, other, assume_unique=True)
                some.append(first)
        return np.unique(np.concatenate(some))

    def _token_places(self, wanted: set[tuple[int, int]]) -> dict[int, Places]:
        """Return the places of tokens."""
        if not wanted:
            return {}
        try:
            most = BULK + sum(one.noted.tokens for one in self._segments) // ASKED_MEANWHILE
            found = self._scanned(wanted) if len(wanted) > most else self._asked(sorted(wanted))
        except duckdb.Error as error:
            detail = Said("its tokens cannot be read", "其令牌无法读取")
            raise IndexUnusableError(detail=detail) from error
        tokens, places = found
        order = np.argsort(tokens, kind="stable")
        tokens, places = tokens[order], places[order]
        starts = np.flatnonzero(np.r_[True, tokens[1:] != tokens[:-1]]) if len(tokens) else tokens
        return {
            int(tokens[start]) + (1 << 63): places[start:end]
            for start, end in pairwise([*starts.tolist(), len(tokens)])
        }

    def _asked(self, wanted: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], Places]:
        """Ask for each token by itself: zone maps lead to the few blocks that may have it."""
        # Uncast, a number would be compared as the widest type (FACTS 2).
        tokens = [token - (1 << 63) for _, token in wanted]
        tables = [
            f"s{number}.tokens{table_of(token, self._segments[number].noted.tables)}"
            for (number, _), token in zip(wanted, tokens, strict=True)
        ]
        query = " UNION ALL ".join(
            f"SELECT token, place FROM {table} WHERE token = ?::BIGINT"  # noqa: S608
            for table in tables
        )
        with self._connection.cursor() as cursor:
            few = cursor.execute(query, tokens).fetchmany(FEW)
            if len(few) < FEW:
                pairs = np.array(few, np.int64).reshape(-1, 2)
                return pairs[:, 0], pairs[:, 1]
            found = cursor.execute(query, tokens).fetchnumpy()
            return found["token"], found["place"]

    def _scanned(self, wanted: set[tuple[int, int]]) -> tuple[NDArray[np.int64], Places]:
        """Read all tokens of each segment once, and keep those that were asked for."""
        tokens, places = [_NONE], [_NONE]
        with self._connection.cursor() as cursor:
            for number in sorted({number for number, _ in wanted}):
                mine = [token - (1 << 63) for n, token in wanted if n == number]
                cursor.register("wanted", pa.table({"token": pa.array(mine, pa.int64())}))
                for table in range(self._segments[number].noted.tables):
                    found = cursor.execute(
                        f"SELECT token, place FROM s{number}.tokens{table} "  # noqa: S608
                        "JOIN wanted USING (token)"
                    ).fetchnumpy()
                    tokens.append(found["token"])
                    places.append(found["place"])
                cursor.unregister("wanted")
        return np.concatenate(tokens), np.concatenate(places)

    def _page(
        self,
        places: Places,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = True,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Hit]:
        completed = np.empty(len(places), np.int64)
        firsts = np.array([one.noted.first for one in self._segments], np.int64)
        numbers = np.searchsorted(firsts, places, side="right") - 1
        for number in np.unique(numbers).tolist():
            mine = numbers == number
            segment = self._segments[number]
            completed[mine] = segment.completed[places[mine] - segment.noted.first]
        keep = np.ones(len(places), np.bool_)
        if since is not None:
            keep &= completed >= _microseconds(since)
        if until is not None:
            keep &= (completed < _microseconds(until)) | (completed == OPEN)
        if after is not None:
            when, place = _position(after)
            later = (completed > when) | ((completed == when) & (places > place))
            same = (completed == when) & (places == place)
            keep &= ~later & ~same if newest_first else later
        kept = np.flatnonzero(keep)
        order = kept[np.lexsort((places[kept], completed[kept]))]
        if newest_first:
            order = order[::-1]
        return [self._hit(int(numbers[at]), int(places[at])) for at in order[:limit]]

    def _hit(self, number: int, place: int) -> Hit:
        segment = self._segments[number]
        at = place - segment.noted.first
        row_of = int(np.searchsorted(segment.firsts, place, side="right")) - 1
        partition = self._partition(number, row_of)
        group, row = 0, place - partition.first
        for _, _, rows in partition.row_groups:
            if row < rows:
                break
            group, row = group + 1, row - rows
        completed = int(segment.completed[at])
        return Hit(
            partition=partition,
            row_group=group,
            row=row,
            revision=int(segment.revision[at]),
            completed_at=None if completed == OPEN else _EPOCH + completed * _MICROSECOND,
            cursor=f"{completed}-{place}",
        )

    def _partition(self, number: int, row: int) -> PartitionPlace:
        if (number, row) not in self._places:
            (about,) = self._segments[number].partitions.slice(row, 1).to_pylist()
            flat = about["row_groups"]
            footer = Footer(length=about["footer_length"], sha256=about["footer_sha256"])
            self._places[number, row] = PartitionPlace(
                key=about["key"],
                version_id=about["version_id"],
                size_bytes=about["size_bytes"],
                footer=footer,
                row_groups=list(zip(flat[::3], flat[1::3], flat[2::3], strict=True)),
                source=about["source"],
                day=about["day"],
                manifest=about["manifest"],
                cohort=about["cohort"],
                keys=json.loads(about["keys"]),
                rows=about["rows"],
                kinds=frozenset(map(Kind, about["kinds"])),
                first=about["first"],
            )
        return self._places[number, row]


def _published(folder: Path) -> Pointer:
    try:
        pointer = Pointer.read(folder)
    except (UnusableError, OSError) as error:
        raise unusable(error) from None
    if pointer is None:
        raise IndexUnusableError(detail=Said("there is none yet", "尚未构建"))
    return pointer


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _position(cursor: str) -> tuple[int, int]:
    completed, _, place = cursor.rpartition("-")
    if not (completed.removeprefix("-").isdecimal() and place.isdecimal()):
        raise RequestError(detail=Said("the cursor makes no sense", "游标无效"))
    return int(completed), int(place)
