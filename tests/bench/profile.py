"""Where a night's time goes, stage by stage, from one night inside this process.

Stages are timed by wrapping functions. A stage's time is its own, without the stages that it
calls. CPU time is its thread's, so that stages on several threads add up to the process's.
"""

import functools
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

from rich.table import Table

from archiver import (
    batch,
    canonical,
    capture,
    merkle,
    naming,
    nightly,
    partition,
    repeats,
    sealing,
    segments,
    tokens,
)
from archiver.known import KnownOrders
from archiver.sources import process
from archiver.stores import directory
from archiver.wiring import Installation
from tests.archives import Silent
from tests.bench.ground import DAY, Ground

STAGES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("wait for the reading process, take pages over", process.ReaderProcess, "_next"),
    ("map", capture.MappedSource, "map_page"),
    ("choose rows of the window", capture.Capture, "_wanted"),
    ("order tokens", tokens, "tokens"),
    ("content digests", tokens, "digests"),
    ("repeated ids", repeats.SeenIds, "add"),
    ("known match", KnownOrders, "match"),
    ("decide, count, retention", capture.Capture, "_decide"),
    ("sums by channel", capture, "paid_by_channel"),
    ("cut into partitions", batch.Partitions, "add"),
    ("cut into partitions", batch, "_by_token"),
    ("sealing: the rest", sealing, "seal"),
    ("sealing: row groups", sealing, "_row_groups"),
    ("sealing: card tokens", sealing, "_with_card_tokens"),
    ("sealing: commitments", canonical, "secret_commitments"),
    ("sealing: canonical bytes and leaf hashes", canonical, "order_leaves"),
    ("sealing: write row groups", partition.FileWriter, "write_row_group"),
    ("sealing: finish and digest files", partition.FileWriter, "finish"),
    ("sealing: Merkle tree", merkle, "tree_hash"),
    ("sealing: search tokens", segments.SegmentContent, "add"),
    ("sealing: segment rows", segments, "segment_table"),
    ("sealing: put", directory.DirectoryStore, "put"),
    ("sealing: read back, decrypt", partition, "read_row_group"),
    ("sealing: sums read back", sealing, "paid_by_channel"),
    ("known orders, manifest", naming.Namer, "name"),
    ("the rest of the night", nightly.Night, "run"),
)


@dataclass(slots=True)
class _Taken:
    calls: int = 0
    wall: float = 0.0
    cpu: float = 0.0


class _Clock(threading.local):
    """Per thread: the time taken by stages inside those that run, outermost first."""

    def __init__(self) -> None:
        self.inner: list[list[float]] = []


def show(ground: Ground) -> None:
    """Run the night and print the stages, dearest first."""
    rows = ground.orders
    shop = ground.shop(rows)
    taken: dict[str, _Taken] = {}
    with ground.archive(shop.url) as home:
        os.environ.update(home.environment)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        started, cpu = time.perf_counter(), time.process_time()
        with _stages(taken), Installation.load(home.config).night(Silent()) as night:
            night.run(DAY)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    reading = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    title = (
        f"{rows:,} orders: {wall:.2f} s, {cpu:.2f} s of CPU here, {reading:.2f} s in the reading "
        "process"
    )
    table = Table(title=title, title_justify="left")
    for column in ("stage", "calls", "wall s", "CPU s", "CPU %"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for name, one in sorted(taken.items(), key=lambda item: -item[1].cpu):
        share = 100 * one.cpu / cpu
        table.add_row(name, str(one.calls), f"{one.wall:.2f}", f"{one.cpu:.2f}", f"{share:.1f}")
    rest = cpu - sum(one.cpu for one in taken.values())
    table.add_row("outside of stages", "", "", f"{rest:.2f}", f"{100 * rest / cpu:.1f}")
    ground.console.print(table)


@contextmanager
def _stages(taken: dict[str, _Taken]) -> Iterator[None]:
    clock, mutex = _Clock(), threading.Lock()
    with ExitStack() as stack:
        for name, owner, attribute in STAGES:
            wrapped = _timed(getattr(owner, attribute), name, taken, clock, mutex)
            stack.enter_context(mock.patch.object(owner, attribute, wrapped))
        yield


def _timed(
    original: Callable[..., Any],
    name: str,
    taken: dict[str, _Taken],
    clock: _Clock,
    mutex: threading.Lock,
) -> Callable[..., Any]:
    @functools.wraps(original)
    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        clock.inner.append([0.0, 0.0])
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return original(*args, **kwargs)
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            own_wall, own_cpu = clock.inner.pop()
            if clock.inner:
                clock.inner[-1][0] += wall
                clock.inner[-1][1] += cpu
            with mutex:
                one = taken.setdefault(name, _Taken())
                one.calls += 1
                one.wall += wall - own_wall
                one.cpu += cpu - own_cpu

    return timed
