"""Questions without a fact: all orders of some days that satisfy conditions.

Partitions are chosen by time and by their dictionaries of names, fetched whole, decrypted and
sifted while the next ones are on their way. Here everything is asked of an order's latest
revision. A scan has a limit of rows and of time: what is beyond says so, and is never cut silently.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from archiver.errors import ArchiverError, Exit, ObjectMissingError, RequestError, Said
from archiver.index import Hit, PartitionPlace
from archiver.lookup.finding import CHUNK, Finder, Found, FoundOrder, position_of
from archiver.lookup.opening import LISTED, whole_partition
from archiver.lookup.question import Conditions, Cursor, Fact, Question, digest
from archiver.lookup.sifting import caged, leaves, sift
from archiver.lookup.values import sought
from archiver.ports import Progress

MOST_ROWS: Final = 200_000
"""Orders that a scan may find: a million of them are a database, not an answer."""
PATIENCE: Final = timedelta(minutes=5)
AHEAD: Final = 3
"""Partitions that are fetched and decrypted beside the one that is sifted."""
COLUMNS: Final = ("order_id", "revision")
"""What a scan reads beside what conditions look at."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ScanTooLargeError(ArchiverError):
    """A scan would take longer or find more than one may."""

    exit = Exit.FIX_REQUEST
    code = "scan-too-large"
    en = "This question is too wide: {detail}. Narrow it by --from, --to, --source or a number"
    zh = "查询范围过大：{detail}。请用 --from、--to、--source 或单号缩小范围"
    next = "archiver find --help"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Sighting:
    """A row that satisfies all conditions; sorts newest first."""

    age: int
    """Microseconds since 1970, negative."""
    key: str
    row_group: int
    row: int
    order_id: str = field(compare=False)
    source: str = field(compare=False)
    revision: int = field(compare=False)
    place: PartitionPlace = field(compare=False, repr=False)

    @property
    def name(self) -> Mapping[str, Any]:
        """Which revision of which order it is."""
        return {"source": self.source, "order_id": self.order_id, "revision": self.revision}

    @property
    def cursor(self) -> str:
        """Where the next page begins, if this is the last order of one."""
        return f"{self.age} {self.key} {self.row_group} {self.row}"


@dataclass(slots=True, kw_only=True)
class Scanner:
    """Answers questions that have no fact."""

    finder: Finder
    progress: Progress
    patience: timedelta = PATIENCE
    most_rows: int = MOST_ROWS

    def find(self, question: Question, columns: Sequence[str] = LISTED) -> Found:
        """Return a page of orders, newest first; `columns` as for `Finder.find`.

        Raises:
            ScanTooLargeError: It would take too long, or find too many.
        """
        found = Found()
        asked = digest(question, [])
        if question.after and question.after.question != asked:
            raise RequestError(
                detail=Said("--cursor is of another question", "--cursor 属于另一个查询")
            )
        behind = _parsed(question.after.behind) if question.after else None
        seen = [
            one
            for one in self.sightings(question.conditions, found)
            if behind is None or (one.age, one.key, one.row_group, one.row) > behind
        ]
        page = seen[: question.limit]
        for start in range(0, len(page), CHUNK):
            found.orders += self._whole(found, page[start : start + CHUNK], columns)
        if len(seen) > len(page):
            found.next = Cursor(question=asked, behind=page[-1].cursor).text()
        return found

    def sightings(self, asked: Conditions, found: Found) -> list[Sighting]:
        """Return every order whose latest revision satisfies the conditions, newest first.

        Raises:
            ScanTooLargeError: It would take too long, or find too many.
        """
        places = self.places(asked)
        seen: list[Sighting] = []
        until = self.finder.now() + self.patience
        self.progress.start("", len(places))
        with caged() as connection:
            for place, tables in self._tables(places, found, (*leaves(asked), *COLUMNS)):
                for group, table in enumerate(tables):
                    chosen = sift(connection, table, asked)
                    seen += _sightings(place, group, chosen, table)
                if len(seen) > self.most_rows:
                    most = f"{self.most_rows:,}"
                    raise ScanTooLargeError(
                        detail=Said(f"more than {most} orders", f"超过 {most} 笔订单")
                    )
                if self.finder.now() > until:
                    seconds = int(self.patience.total_seconds())
                    raise ScanTooLargeError(
                        detail=Said(f"longer than {seconds} s", f"超过 {seconds} 秒")
                    )
                self.progress.advance()
        self.progress.finish()
        latest = self.finder.latest_of(found, [one.name for one in seen])
        names = {(one["source"], one["order_id"], one["revision"]) for one in latest}
        return sorted(one for one in seen if (one.source, one.order_id, one.revision) in names)

    def places(self, asked: Conditions) -> list[PartitionPlace]:
        """Return the partitions that may hold such orders: by time, source and product names."""
        index = self.finder.index
        places = index.partitions_with(since=asked.start, until=asked.end, source=asked.source)
        if asked.product is None:
            return places
        named = index.names(self.finder.keys, "product", asked.product).values()
        may = {one.key for each in named for one in each}
        may |= {one.key for one in index.unnamed(self.finder.keys, "product")}
        return [place for place in places if place.key in may]

    def _tables(
        self, places: Sequence[PartitionPlace], found: Found, columns: Sequence[str]
    ) -> Iterator[tuple[PartitionPlace, list[pa.Table]]]:
        """Yield the row groups of each partition, some partitions ahead."""
        opener = self.finder.opener
        waiting = iter(places)

        def read(place: PartitionPlace) -> list[pa.Table]:
            return list(whole_partition(opener.archive, opener.keys, place, columns))

        ahead = deque(
            (place, opener.executor.submit(read, place)) for place in islice(waiting, AHEAD)
        )
        while ahead:
            place, future = ahead.popleft()
            for more in islice(waiting, 1):
                ahead.append((more, opener.executor.submit(read, more)))
            try:
                tables = future.result()
            except ObjectMissingError as missing:
                self.finder.require_due(place, missing)
                found.disposed += 1
                continue
            found.objects.append(place.key)
            yield place, tables

    def _whole(
        self, found: Found, page: Sequence[Sighting], columns: Sequence[str]
    ) -> Iterator[FoundOrder]:
        """Yield the orders of a page, with their revisions."""
        facts = [sought(self.finder.keys, Fact(kind="order", value=one.order_id)) for one in page]
        known = [one for one in facts if one]
        each = self.finder.index.find_each([one.criterion for one in known])
        own: list[Hit] = []
        of: list[list[Hit]] = []
        for one, hits in zip(page, each, strict=True):
            same = self.finder.same_shop
            mine = [hit for hit in hits if same(hit.partition.source, one.source)]
            (hit,) = (h for h in mine if position_of(h) == (one.key, one.row_group, one.row))
            own.append(hit)
            of.append(sorted(mine, key=lambda hit: hit.revision))
        rows = {position_of(hit): row for hit, row in self.finder.read(found, own, columns)}
        for hit, revisions in zip(own, of, strict=True):
            if position_of(hit) in rows:
                yield FoundOrder(order=rows[position_of(hit)], hit=hit, revisions=revisions)


def _sightings(
    place: PartitionPlace, group: int, chosen: Sequence[int], table: pa.Table
) -> Iterator[Sighting]:
    names = ("order_id", "source", "revision", "completed_at", "created_at", "first_seen_at")
    rows: list[dict[str, Any]] = table.select(names).take(pa.array(chosen, pa.int64())).to_pylist()
    for row, order in zip(chosen, rows, strict=True):
        at = order["completed_at"] or order["created_at"] or order["first_seen_at"]
        yield Sighting(
            age=-((at - _EPOCH) // timedelta(microseconds=1)),
            key=place.key,
            row_group=group,
            row=row,
            order_id=order["order_id"],
            source=order["source"],
            revision=order["revision"],
            place=place,
        )


def _parsed(cursor: str) -> tuple[int, str, int, int]:
    try:
        age, key, group, row = cursor.split(" ")
        return int(age), key, int(group), int(row)
    except ValueError:
        raise RequestError(
            detail=Said("--cursor: not one that an answer gave", "--cursor：不是查询结果给出的游标")
        ) from None
