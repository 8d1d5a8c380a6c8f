"""A backfill over a desk: workers that are called at once, in any place of the test's."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date

from archiver.backfill import Backfill, BackfillReport, PassTask, Stretch
from archiver.capture import MappedSource
from archiver.catalog import Catalog
from archiver.executors import Inline
from archiver.known import KnownOrders
from archiver.passes import SealedPass, Sealer
from archiver.ports import Fence, ObjectStore
from archiver.retired import read_retirements
from tests.archives import Silent
from tests.auditor import COUNTED
from tests.desk import Desk


@dataclass(slots=True)
class Bench:
    """What a backfill of a test is made of, and what it has seen."""

    desk: Desk
    workers: int = 2
    executor: Executor = field(default_factory=Inline)
    turn: Callable[[], AbstractContextManager[Fence | None]] = nullcontext
    before: Callable[[PassTask], None] = lambda _: None
    """Called before each pass."""
    after: Callable[[PassTask], None] = lambda _: None
    """Called after each pass, when its objects are in the store and no manifest is."""
    tasks: list[PassTask] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)

    def run(self, first: date, last: date, *, store: ObjectStore | None = None) -> BackfillReport:
        """Run a backfill and check what every report must show."""
        desk = self.desk
        archive = desk.open(store)
        desk.place.keep_proven(archive)
        sources = [
            MappedSource(source=source, mapping=source.mapping, session_zone="UTC")
            for source in desk.sources
        ]

        def known() -> KnownOrders:
            opened = KnownOrders.open(archive, desk.place.folder / "index" / "known")
            opened.retired = read_retirements(archive)
            return opened

        def work(task: PassTask) -> SealedPass:
            self.tasks.append(task)
            self.before(task)
            sealer = Sealer(
                archive=archive,
                known=known(),
                executor=Inline(),
                in_flight=1,
                progress=Silent(),
                bytes_sealed=task.bytes_sealed,
                revisions_sealed=task.revisions_sealed,
                alone=False,
            )
            (source,) = (one for one in sources if one.source.name == task.source)
            sealed = sealer.seal(source, task.span)
            self.after(task)
            return sealed

        report = Backfill(
            archive=archive,
            catalog=Catalog(archive, desk.place.folder / "index" / "manifests"),
            open_known=known,
            sources=sources,
            executor=self.executor,
            work=work,
            workers=self.workers,
            turn=self.turn,
            watch=self.stretches.append,
        ).run(first, last)
        for day in report.days:
            assert day.counts["read"] == sum(day.counts[name] for name in COUNTED)
            if day.manifest is not None:
                assert day.manifest.counts.model_dump() == day.counts
        return report

    def passes(self) -> Iterator[tuple[date, date]]:
        """Yield the first and last day of each pass that was made."""
        for task in self.tasks:
            yield task.span.days[0], task.span.days[-1]
