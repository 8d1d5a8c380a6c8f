"""A backfill opened on this host, and what its worker processes do.

Responsible for what crosses the border between processes: the path of the configuration and a
task go over, a sealed pass comes back. Keys, passwords and rows do not, rejects excepted, which
go through a pipe.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from archiver import executors
from archiver.allocation import return_freed_memory
from archiver.archive import Archive
from archiver.backfill import Backfill, PassTask, Stretch
from archiver.capture import MappedSource
from archiver.errors import LocalDiskError, Said
from archiver.known import KnownOrders
from archiver.passes import SealedPass, Sealer
from archiver.retired import read_retirements
from archiver.run_locks import Reservation, reserved
from archiver.wiring import Installation

KNOWN_TRIES: Final = 50
KNOWN_SECONDS: Final = 0.02
_OURS: Final = "archiver"


@contextmanager
def open_backfill(
    installation: Installation,
    config: Path,
    days: tuple[date, date],
    *,
    workers: int,
    names: Sequence[str],
    watch: Callable[[Stretch], None],
    cluster: str | None = None,
) -> Iterator[Backfill]:
    """Open everything that a backfill needs, and reserve its days before this host's nights.

    Args:
        installation: The configuration.
        config: Its file: workers read it, too.
        days: The first and the last day.
        workers: Processes of this host.
        names: The sources to take.
        watch: Is told how far it is, from any thread.
        cluster: The scheduler of a Dask cluster whose workers take their place. They find the
            configuration, the folders and keys that it names under the same paths.

    Raises:
        AnotherRunError: A backfill is running on this host.
        ClusterUnavailableError: The cluster is not there.
    """
    reservation = Reservation(
        process=os.getpid(), sources=tuple(names), first=days[0], last=days[1]
    )
    return_freed_memory(arenas=1)
    hands = executors.cluster(cluster) if cluster else executors.processes(workers)
    with reserved(installation.index_folder, reservation), hands as (pool, count):
        archive = installation.archive(to_seal=True)
        yield Backfill(
            archive=archive,
            catalog=installation.catalog(archive),
            open_known=partial(installation.known, archive),
            sources=[one for one in installation.sources.all() if one.source.name in names],
            executor=pool,
            work=partial(make_pass, config.absolute()),
            workers=count,
            turn=partial(installation.turn, archive),
            watch=watch,
            circle=partial(installation.circle, archive),
        )


def make_pass(config: Path, task: PassTask) -> SealedPass:
    """Make one pass; runs in a worker process, which keeps the archive open.

    Raises:
        ArchiverError: The source or the store failed. Nothing counts.
    """
    with _noting(task.log_level) as log:
        place = _opened(config)
        known = _known(place, task.through)
        sealer = Sealer(
            archive=place.archive,
            known=known,
            executor=executors.Inline(),
            in_flight=1,
            progress=_Nobody(),
            bytes_sealed=task.bytes_sealed,
            revisions_sealed=task.revisions_sealed,
            alone=False,
        )
        sealed = sealer.seal(place.sources[task.source], task.span)
    alarms = tuple(place.archive.alarms)
    place.archive.alarms.clear()
    return replace(sealed, alarms=alarms, log=log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a worker process keeps open."""

    installation: Installation
    archive: Archive
    sources: dict[str, MappedSource]


@cache
def _opened(config: Path) -> _Place:
    # One worker is one core's worth; there are others.
    pa.set_cpu_count(1)
    return_freed_memory(arenas=1)
    installation = Installation.load(config)
    return _Place(
        installation=installation,
        archive=installation.archive(to_seal=True),
        sources={one.source.name: one for one in installation.sources.all()},
    )


def _known(place: _Place, through: int) -> KnownOrders:
    """Open what is known up to a manifest.

    The pointer to its files may be in the middle of being replaced: that is a matter of moments.

    Raises:
        LocalDiskError: It is not there.
    """
    known = place.installation.known(place.archive)
    for _ in range(KNOWN_TRIES):
        if known.through >= through:
            known.retired = read_retirements(place.archive)
            return known
        time.sleep(KNOWN_SECONDS)
        known = place.installation.known(place.archive)
    raise LocalDiskError(
        detail=Said(
            f"what is known ends at manifest {known.through} instead of {through}",
            f"本地已知记录止于第 {known.through} 号清单，应为第 {through} 号",
        )
    )


@contextmanager
def _noting(level: int) -> Iterator[list[logging.LogRecord]]:
    """Keep our log records, so that they can be told where somebody listens."""
    noted: list[logging.LogRecord] = []
    handler = _Notes(noted)
    ours = logging.getLogger(_OURS)
    ours.setLevel(level)
    ours.addHandler(handler)
    try:
        yield noted
    finally:
        ours.removeHandler(handler)


class _Notes(logging.Handler):
    """Appends records to a list, without what cannot leave the process."""

    def __init__(self, noted: list[logging.LogRecord]) -> None:
        super().__init__()
        self._noted = noted

    def emit(self, record: logging.LogRecord) -> None:
        record.exc_info = None
        self._noted.append(record)


class _Nobody:
    """Shows progress to nobody: the backfill counts whole passes."""

    def start(self, label: str, total: int | None = None) -> None:
        """Show nothing."""

    def advance(self, units: int = 1) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""
