"""From a question to orders: hits of the index, rows of partitions, latest revisions, pages.

Facts and times hold if one sealed revision of an order has them all; the other conditions are
asked of the latest revision, which is also what is shown. A hit is 64 bits of a keyed token: it
counts when the decrypted row has the value.

Pages are newest first. An order stands where the latest of its revisions stands that has the
facts, and there only: a cursor needs to remember a place and nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final, TypeVar

import pyarrow as pa

from archiver.errors import ObjectMissingError, RequestError, Said, TamperedError
from archiver.index import Hit, Index, PartitionPlace
from archiver.lookup.opening import BASE_LEAVES, LISTED, Opener, Pending, Row
from archiver.lookup.question import Conditions, Cursor, Fact, Question, digest
from archiver.lookup.sifting import caged, sift
from archiver.lookup.values import LEAVES, Sought, sought
from archiver.search_tokens import SearchKeys
from schemas.orders import ORDER_V1

MOST_OPENED: Final = 400
"""Row groups for one page. A question that wants more is given what was found and a cursor."""
AT_ONCE: Final = 20
"""Row groups that are fetched together: a page has so many orders."""
MOST_LOOKED_AT: Final = 4_000
"""Rows for one page, of however few row groups: each is decoded, and asked for later revisions."""
LARGEST_BATCH: Final = 200

TIMES: Final = ("completed_at", "created_at", "first_seen_at")
"""The first of these that an order has is its time."""
_IDENTITY: Final = ("source", "order_id")
CHUNK: Final = 2_000
"""Orders whose later revisions are asked for at once."""

T = TypeVar("T", bound=Mapping[str, Any])
Position = tuple[str, int, int]
"""A row: its partition's key, its row group, its place in that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOrder:
    """A revision of an order, and the others that are sealed of it."""

    order: Row
    hit: Hit
    revisions: Sequence[Hit]
    """All of them, oldest first; the latest is the one in `hit` unless another was asked for."""


@dataclass(slots=True)
class Found:
    """What a question has come to."""

    orders: list[FoundOrder] = field(default_factory=list)
    next: str | None = None
    """The cursor of the next page; None: this was the last one."""
    objects: list[str] = field(default_factory=list)
    """Keys of the partitions that were read."""
    disposed: int = 0
    """Row groups that the index knows and nobody can read any more, their time being over."""


@dataclass(slots=True)
class Finder:
    """Answers questions that have facts."""

    index: Index
    keys: SearchKeys
    opener: Opener
    now: Callable[[], datetime]
    due: Callable[[PartitionPlace], datetime]
    """When a partition may be destroyed: asked only of one that is gone."""
    last_of: Callable[[str], str] = str
    """The source that continues a retired one in the end: asked only where an id is in several."""
    advance: Callable[[int], None] = lambda _rows: None
    """Told how many rows more were looked at."""

    def find(self, question: Question, columns: Sequence[str] = LISTED) -> Found:
        """Return a page of orders.

        Args:
            question: With at least one fact.
            columns: Leaves to decrypt: at least `LISTED`. What confirms the facts comes with them.

        Raises:
            RequestError: The cursor is of another question.
            IndexUnusableError: The local index is damaged.
            TamperedError: What is stored is not what was signed.
            StoreError: The store did not answer.
        """
        found = Found()
        facts = self.sought(question.facts)
        asked = digest(question, [one.token if one else "" for one in facts])
        if question.after and question.after.question != asked:
            raise RequestError(
                detail=Said("--cursor is of another question", "--cursor 属于另一个查询")
            )
        wanted = [one for one in facts if one]
        if len(wanted) < len(facts):
            return found  # nothing has an empty value
        search = _Search(self, found, wanted, question, _with_proofs(columns, wanted, question))
        behind = question.after.behind if question.after else None
        opened = looked_at = 0
        most_opened = max(MOST_OPENED, question.limit)
        most_looked_at = max(MOST_LOOKED_AT, question.limit)  # an export is one large page
        while len(found.orders) < question.limit and opened < most_opened:
            missing = question.limit - len(found.orders)
            want = _likely_enough(missing, found=len(found.orders), looked_at=looked_at)
            want = min(want, LARGEST_BATCH, most_looked_at - looked_at)
            if want <= 0:
                break
            ahead = search.hits(behind, want + 1)
            batch, groups = _together(ahead[:want])
            if not batch:
                return found
            opened += groups
            looked_at += len(batch)
            behind = batch[-1].cursor
            self.advance(len(batch))
            last = len(batch) == len(ahead)
            # What a batch before or a page before has had is not among these hits.
            whole = last and looked_at == len(batch) and question.after is None
            search.learn(batch, whole=whole)
            placed = search.satisfying(batch)
            found.orders += [order for _, order in placed[:missing]]
            if len(placed) > missing:
                behind = placed[missing - 1][0].cursor
            elif last:
                return found
        found.next = Cursor(question=asked, behind=str(behind)).text()
        return found

    def each(
        self, facts: Sequence[Fact], source: str | None, advance: Callable[[int], None]
    ) -> tuple[list[list[FoundOrder]], Found]:
        """Return for each fact by itself the orders that have it, newest first: thousands at once.

        Args:
            facts: Any number.
            source: Of this one only.
            advance: Told how many facts more are done.
        """
        found = Found()
        sought_for = self.sought(facts)
        wanted = [one for one in sought_for if one]
        hits = self.index.find_each([one.criterion for one in wanted])
        answers: list[list[FoundOrder]] = []
        each = iter(zip(wanted, hits, strict=True))
        for start in range(0, len(facts), AT_ONCE):
            part = sought_for[start : start + AT_ONCE]
            some = [next(each) if one else None for one in part]
            answers += self._each(found, some, source)
            advance(len(part))
        return answers, found

    def _each(
        self,
        found: Found,
        part: Sequence[tuple[Sought, Sequence[Hit]] | None],
        source: str | None,
    ) -> Iterator[list[FoundOrder]]:
        of = [
            [h for h in one[1] if source in (None, h.partition.source)] if one else []
            for one in part
        ]
        columns = _with_proofs(LISTED, [one[0] for one in part if one], Question())
        hits_of_all = list(chain.from_iterable(of))
        rows = {position_of(h): r for h, r in self.read(found, hits_of_all, columns)}
        for one, hits in zip(part, of, strict=True):
            if one is None:
                yield []
                continue
            search = _Search(self, found, [one[0]], Question(), columns)
            search.of_cards[0] = {position_of(hit) for hit in hits}
            have = [(h, rows[position_of(h)]) for h in hits if position_of(h) in rows]
            latest = search.latest([(h, r) for h, r in have if search.has(h, r)])
            yield [order for _, order in latest]

    def same_shop(self, one: str, other: str) -> bool:
        """Tell whether two sources are one shop: equal, or one continues the other."""
        return one == other or self.last_of(one) == self.last_of(other)

    def sought(self, facts: Sequence[Fact]) -> list[Sought | None]:
        """Return facts ready to be looked for; None for one of which nothing is left."""
        return [sought(self.keys, fact) for fact in facts]

    def revisions(
        self, order_id: str, source: str | None = None, revision: int | None = None
    ) -> tuple[dict[str, FoundOrder], Found]:
        """Return an order's latest revision, by source: one id may stand in several.

        Args:
            order_id: As the shop wrote it.
            source: Only this one.
            revision: Another one than the latest.

        Returns:
            The orders, and what was read for them.

        Raises:
            RequestError: There is no such revision.
        """
        found = Found()
        fact = sought(self.keys, _by_id(order_id))
        hits = self.index.find([fact.criterion]) if fact else []
        hits = [hit for hit in hits if source in (None, hit.partition.source)]
        by_source: dict[str, list[tuple[Hit, Row]]] = {}
        for hit, row in self.read(found, hits):
            if fact and fact.confirms(row):
                same = (name for name in by_source if self.same_shop(name, row["source"]))
                by_source.setdefault(next(same, row["source"]), []).append((hit, row))
        each = [
            _one_of(sorted(kept, key=lambda one: one[0].revision), revision)
            for _, kept in sorted(by_source.items())
        ]
        return {str(one.order["source"]): one for one in each}, found

    def latest_of(self, found: Found, rows: Sequence[T]) -> Iterator[T]:
        """Yield the rows that no later revision has replaced.

        Args:
            found: Notes what is read for it.
            rows: Anything with `order_id`, `source` and `revision`.
        """
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            known = [one for one in self.sought([_by_id(row["order_id"]) for row in part]) if one]
            each = self.index.find_each([one.criterion for one in known])
            later = [
                [
                    hit
                    for hit in hits
                    if hit.revision > row["revision"]
                    and self.same_shop(hit.partition.source, row["source"])
                ]
                for row, hits in zip(part, each, strict=True)
            ]
            newer = list(chain.from_iterable(later))
            read = {position_of(hit): order for hit, order in self.read(found, newer, _IDENTITY)}
            for row, fact, hits in zip(part, known, later, strict=True):
                orders = [read[position_of(hit)] for hit in hits if position_of(hit) in read]
                if not any(fact.confirms(order) for order in orders):
                    yield row

    def read(
        self, found: Found, hits: Sequence[Hit], columns: Sequence[str] = BASE_LEAVES
    ) -> "Iterator[tuple[Hit, Row]]":
        """Yield the rows of hits in their order, all row groups fetched at once."""
        groups: dict[tuple[str, int], list[Hit]] = {}
        for hit in hits:
            groups.setdefault((hit.partition.key, hit.row_group), []).append(hit)
        begun = [
            (of, self.opener.begin(of[0].partition, of[0].row_group)) for of in groups.values()
        ]
        reads: list[Callable[[], Sequence[Row]]] = [
            partial(pending.rows, [hit.row for hit in of], columns) for of, pending in begun
        ]
        if len(reads) > 1:
            # Behind all footers in the same queue: what waits here waits for what is under way.
            # A single one needs no other thread.
            reads = [self.opener.executor.submit(read).result for read in reads]
        rows: dict[Position, Row] = {}
        for (of, pending), read in zip(begun, reads, strict=True):
            for hit, row in zip(of, self._opened(found, pending, read), strict=False):
                rows[position_of(hit)] = row
        for hit in hits:
            if position_of(hit) in rows:
                yield hit, rows[position_of(hit)]

    def require_due(self, place: PartitionPlace, missing: ObjectMissingError) -> None:
        """Accept that a partition, or its keys, are gone only where its time is over.

        Raises:
            TamperedError: It had to be kept.
        """
        due = self.due(place)
        if due > self.now():
            raise TamperedError(
                key=place.key,
                detail=Said(
                    f"it is gone before {due:%Y-%m-%d}: {missing.text('en')}",
                    f"在 {due:%Y-%m-%d} 之前已不存在：{missing.text('zh')}",
                ),
            ) from missing

    def _opened(
        self, found: Found, pending: Pending, read: Callable[[], Sequence[Row]]
    ) -> Sequence[Row]:
        place = pending.place
        try:
            rows = read()
        except ObjectMissingError as missing:
            self.require_due(place, missing)
            found.disposed += 1
            return ()
        if place.key not in found.objects:
            found.objects.append(place.key)
        return rows


@dataclass(slots=True)
class _Search:
    """One question on its way through pages of hits."""

    finder: Finder
    found: Found
    facts: Sequence[Sought]
    question: Question
    columns: Sequence[str] = LISTED
    of_cards: dict[int, set[Position]] = field(default_factory=dict)
    of_one: Sequence[Hit] = ()

    def hits(self, behind: str | None, count: int) -> list[Hit]:
        """Return the next rows that may have all facts and times, newest first."""
        asked = self.question.conditions
        chosen: list[Hit] = []
        limit = count if asked.source is None else count * 4
        while len(chosen) < count:
            more = self.finder.index.find(
                [one.criterion for one in self.facts],
                since=asked.start,
                until=asked.end,
                limit=limit,
                after=behind,
            )
            chosen += [hit for hit in more if asked.source in (None, hit.partition.source)]
            if len(more) < limit:
                break
            behind = more[-1].cursor
        return chosen[:count]

    def satisfying(self, batch: Sequence[Hit]) -> list[tuple[Hit, FoundOrder]]:
        """Return the orders of a batch that belong into the answer, each with its hit."""
        rows = [
            (hit, row)
            for hit, row in self.finder.read(self.found, batch, self.columns)
            if self.has(hit, row)
        ]
        latest = self.latest(rows)
        timeless = replace(self.question.conditions, start=None, end=None, source=None)
        if not latest or timeless == Conditions():
            return latest
        table = pa.Table.from_pylist([dict(one.order) for _, one in latest], schema=ORDER_V1)
        with caged() as connection:
            return [latest[place] for place in sift(connection, table, timeless)]

    def has(self, hit: Hit, row: Row) -> bool:
        """Tell whether a revision has all facts and the time."""
        return is_in(row, self.question.conditions) and all(
            one.confirms(row) or position_of(hit) in self._by_parts(number, one)
            for number, one in enumerate(self.facts)
        )

    def _by_parts(self, number: int, one: Sought) -> set[Position]:
        """Return the rows that a card is found in by its parts, which no base key confirms."""
        if not one.in_parts:
            return set()
        if number not in self.of_cards:
            hits = self.finder.index.find([one.criterion])
            self.of_cards[number] = {position_of(hit) for hit in hits}
        return self.of_cards[number]

    def learn(self, batch: Sequence[Hit], *, whole: bool) -> None:
        """Remember all revisions of the one order that was asked for: nobody need ask for them."""
        asked = self.question.conditions
        by_id = [one.fact.kind for one in self.facts] == ["order"]
        one_source = len({hit.partition.source for hit in batch}) == 1
        if whole and by_id and one_source and not asked.timed and asked.source is None:
            self.of_one = batch

    def _with_ids(self, ids: Sequence[Sought]) -> Sequence[Sequence[Hit]]:
        return self.finder.index.find_each([one.criterion for one in ids])

    def latest(self, rows: Sequence[tuple[Hit, Row]]) -> list[tuple[Hit, FoundOrder]]:
        """Return the latest revision of each order by its hit, unless another row stands for it."""
        ids = [sought(self.finder.keys, _by_id(r["order_id"])) for _, r in rows]
        known = [one for one in ids if one]
        same = [self.of_one] * len(rows) if self.of_one else self._with_ids(known)
        others = [
            [
                other
                for other in found
                if self.finder.same_shop(other.partition.source, row["source"])
                and position_of(other) != position_of(hit)
            ]
            for (hit, row), found in zip(rows, same, strict=True)
        ]
        read = {
            position_of(hit): row
            for hit, row in self.finder.read(
                self.found, [one for each in others for one in each], self.columns
            )
        }
        latest = []
        for (hit, row), one, more in zip(rows, known, others, strict=True):
            kept = [(hit, row)]
            for other in more:
                order = read.get(position_of(other))
                if order is not None and one.confirms(order):
                    kept.append((other, order))
            if max(h.revision for h, r in kept if self.has(h, r)) == hit.revision:
                oldest_first = sorted(kept, key=lambda pair: pair[0].revision)
                latest.append((hit, _one_of(oldest_first, None)))
        return latest


def _likely_enough(missing: int, *, found: int, looked_at: int) -> int:
    """Return how many hits more the missing orders will take, if the next are like the last."""
    return -(-missing * looked_at // max(found, 1)) if looked_at else missing


def _together(hits: Sequence[Hit]) -> tuple[Sequence[Hit], int]:
    """Return the first hits, as many as lie in the row groups that are fetched at once."""
    groups: set[tuple[str, int]] = set()
    for number, hit in enumerate(hits):
        groups.add((hit.partition.key, hit.row_group))
        if len(groups) > AT_ONCE:
            return hits[:number], AT_ONCE
    return hits, len(groups)


def position_of(hit: Hit) -> Position:
    """Return where a hit's row is."""
    return hit.partition.key, hit.row_group, hit.row


def is_in(order: Row, asked: Conditions) -> bool:
    """Tell whether a revision's time lies in the range that was asked about."""
    if not asked.timed:
        return True  # then nobody has read `first_seen_at`
    at = order["completed_at"] or order["created_at"] or order["first_seen_at"]
    return (asked.start is None or at >= asked.start) and (asked.end is None or at < asked.end)


def _with_proofs(
    columns: Sequence[str], facts: Sequence[Sought], question: Question
) -> Sequence[str]:
    """Return leaves and what it takes besides to tell whether a row has the facts and the time."""
    proofs = [leaf for one in facts for leaf in LEAVES[one.criterion.kind]]
    times = TIMES if question.conditions.timed else ()
    return tuple(dict.fromkeys((*columns, *proofs, *times)))


def _by_id(order_id: str) -> Fact:
    return Fact(kind="order", value=order_id)


def _one_of(kept: Sequence[tuple[Hit, Row]], revision: int | None) -> FoundOrder:
    """Return one of an order's revisions, which are given oldest first: the latest if None."""
    revisions = tuple(hit for hit, _ in kept)
    for hit, row in reversed(kept):
        if revision in (None, hit.revision):
            return FoundOrder(order=row, hit=hit, revisions=revisions)
    there = ", ".join(str(hit.revision) for hit in revisions)
    raise RequestError(detail=Said(f"there are only the revisions {there}", f"只有修订 {there}"))
