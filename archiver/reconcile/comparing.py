"""One reconciliation, from a file to a verdict.

Responsible for the order of things: the statement is found usable before anything is
decrypted; days that are not sealed yet are told apart from payments that are missing; orders
are looked for farther away only while something has found none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.errors import RequestError, Said
from archiver.keyring import KeyPair
from archiver.ports import Progress
from archiver.reconcile.judging import (
    MEMORY_LIMIT,
    Coverage,
    DayLine,
    Found,
    FoundTotal,
    Judge,
    TooLargeError,
)
from archiver.reconcile.opening import Request, Statement, open_statement
from archiver.reconcile.sealed import SealedOrders, plan_reading
from archiver.statements import Kind
from schemas.documents import Manifest

Verdict = Literal["match", "pending", "differences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came out. Whoever holds it closes `judge`, which has the differences."""

    statement: Statement
    payments: int
    refunds: int
    others: int
    duplicates: int
    manifest: int
    """The last manifest that was looked at."""
    head: str
    sources: Sequence[str]
    orders_checked: bool
    days_unsealed: Sequence[date]
    rejects: int
    days: Sequence[DayLine]
    totals: Sequence[FoundTotal]
    judge: Judge

    @property
    def pending(self) -> int:
        """Payments of days about which nothing can be said yet."""
        return sum(day.pending for day in self.days)

    @property
    def verdict(self) -> Verdict:
        """One word."""
        if self.totals:
            return "differences"
        return "pending" if self.pending else "match"

    def differences(self) -> Iterator[Found]:
        """Yield all differences, the gravest kind first."""
        return self.judge.differences()


def compare(
    archive: Archive, catalog: Catalog, root: KeyPair, request: Request, progress: Progress
) -> Comparison:
    """Compare a statement with the orders that were sealed.

    Args:
        archive: The archive.
        catalog: Its manifests, refreshed.
        root: The private half of the base root.
        request: What to compare.
        progress: Shows the manifests that have been read; `start` must have been called.

    Raises:
        StatementError: The file is no statement that we know, is damaged or cut off.
        StatementAccountError: It is of another account.
        RequestError: The file cannot be opened or is too large, or its days are not the archive's.
        TamperedError: What is stored is not what was signed.
        KeyUnavailableError: The root does not open it.
    """
    zone = archive.rules.zone
    sources = _sources(catalog, request)
    judge = Judge(zone)
    try:
        statement = open_statement(request, zone, judge.take_entries)
        first = statement.start.astimezone(zone).date()
        last = (statement.end - timedelta(microseconds=1)).astimezone(zone).date()
        unsealed = _unsealed(catalog, sources, first, last)
        coverage = Coverage(
            start=statement.start,
            end=statement.end,
            channel=statement.channel,
            methods=statement.methods,
        )
        chosen = [one.document for one in catalog.entries if one.document.source in sources]
        readings = _Readings(SealedOrders(archive, root), judge, coverage, progress)
        readings.run(chosen, first, last)
        judge.judge(unsealed, statement.currency)
        return Comparison(
            statement=statement,
            payments=judge.count(Kind.PAYMENT),
            refunds=judge.count(Kind.REFUND),
            others=judge.count(Kind.OTHER),
            duplicates=judge.duplicates,
            manifest=len(catalog.entries),
            head=catalog.entries[-1].sha256,
            sources=sources,
            orders_checked=coverage.decides,
            days_unsealed=unsealed,
            rejects=sum(one.counts.rejects for one in chosen if first <= one.day <= last),
            days=judge.days(),
            totals=judge.totals(),
            judge=judge,
        )
    except TooLargeError:
        judge.close()
        raise RequestError(
            detail=Said(
                f"the statement needs more than {MEMORY_LIMIT} of memory; compare fewer days at "
                "once, with --from and --to",
                f"账单所需内存超过 {MEMORY_LIMIT}；请用 --from 和 --to 减少每次核对的天数",
            )
        ) from None
    except BaseException:
        judge.close()
        raise


@dataclass(frozen=True, slots=True)
class _Readings:
    """Orders on their way to the judge."""

    sealed: SealedOrders
    judge: Judge
    coverage: Coverage
    progress: Progress

    def run(self, manifests: Sequence[Manifest], first: date, last: date) -> None:
        """Read what may belong to the statement, and farther while something has no order."""
        must, later, earlier = plan_reading(manifests, first, last)
        for manifest in must:
            self._read(manifest)
        for manifest in later:
            if not (self.judge.payments_missing() or self.judge.refunds_missing()):
                break
            self._read(manifest)
        for manifest in earlier:
            if not self.judge.refunds_missing():
                break
            self._read(manifest)

    def _read(self, manifest: Manifest) -> None:
        for orders in self.sealed.read(manifest):
            self.judge.take_orders(orders, self.coverage)
            self.progress.advance(len(orders))


def _sources(catalog: Catalog, request: Request) -> list[str]:
    sealed = sorted({entry.document.source for entry in catalog.entries})
    if not sealed:
        raise RequestError(detail=Said("nothing is sealed yet", "尚未封存任何内容"))
    unknown = ", ".join(name for name in request.sources if name not in sealed)
    if unknown:
        names = ", ".join(sealed)
        raise RequestError(
            detail=Said(
                f"nothing is sealed of source {unknown}; there are {names}",
                f"数据源 {unknown} 没有封存过任何内容；已有数据源：{names}",
            )
        )
    return sorted(request.sources) or sealed


def _unsealed(catalog: Catalog, sources: Sequence[str], first: date, last: date) -> list[date]:
    """Return the days about whose payments nothing can be said yet.

    A payment at midnight may belong to the next day's orders, so that day must be sealed, too.

    Raises:
        RequestError: The period begins before the archive does.
    """
    sealed = [catalog.days(source) for source in sources]
    begins = min(min(days) for days in sealed)
    if first < begins:
        raise RequestError(
            detail=Said(
                f"the archive begins on {begins}; use --from {begins}",
                f"档案库始于 {begins}；请使用 --from {begins}",
            )
        )
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    # A source says nothing about the days before its own first one.
    return [
        day
        for day in days
        for pair in [(day, day + timedelta(days=1))]
        if any(one not in known for known in sealed for one in pair if one >= min(known))
    ]
