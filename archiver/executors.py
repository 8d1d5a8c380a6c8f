"""Where parallel work runs: in the caller's own thread, in processes of this host, on a cluster.

Responsible for processes that end with the work: they leave an interruption to the process that
has started them, and do not outlive it even if it is killed.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import connection
from typing import Final, ParamSpec, TypeVar

from archiver.errors import ClusterUnavailableError, RequestError, Said

CONNECT_SECONDS: Final = 10
"""For a scheduler that is there to answer."""
GRACE_SECONDS: Final = 5.0
"""For idle processes to end by themselves; nobody waits for the result of the others."""
P = ParamSpec("P")
T = TypeVar("T")


class Inline(Executor):
    """Does what is submitted at once, in the caller's thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it, and return what came of it."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  the future carries it
            future.set_exception(error)
        return future


@contextmanager
def processes(workers: int) -> Iterator[tuple[Executor, int]]:
    """Give an executor over processes of this host, and how many there may be.

    They are fresh ones, not copies of this one: neither threads nor connections survive a fork.
    Work that has not begun when this ends is dropped, and work that has begun is killed: at once if
    this ends by an exception, else after a few seconds.

    Args:
        workers: How many, at most.
    """
    others = multiprocessing.active_children()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin)
    grace = 0.0
    try:
        yield pool, workers
        grace = GRACE_SECONDS
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process not in others:
                process.join(grace)
                process.kill()


@contextmanager
def cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """Give an executor over the workers of a Dask cluster, and how many there are.

    What is submitted, and what comes back, is pickled and goes through the scheduler: it must be
    one of ours. Work that has not begun when this ends is dropped.

    Args:
        address: Of the scheduler, `tcp://host:8786` or `tls://…`; Dask's own configuration names
            certificates.

    Raises:
        RequestError: `distributed` is not installed, or a worker would do several things at once.
        ClusterUnavailableError: The scheduler does not answer, or has no workers.
    """
    try:
        from distributed import Client  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError:
        raise RequestError(
            detail=Said(
                "a cluster takes one more package: pip install 'archiver[cluster]'",
                "使用集群需另装软件包：pip install 'archiver[cluster]'",
            )
        ) from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterUnavailableError(address=address, detail=type(error).__name__) from None
    with client:
        threads = client.nthreads()
        if not threads:
            detail = Said("it has no workers", "没有工作进程")
            raise ClusterUnavailableError(address=address, detail=detail)
        if max(threads.values()) > 1:
            raise RequestError(
                detail=Said(
                    "each worker must do one thing at a time: dask worker --nthreads 1",
                    "每个工作进程一次只能做一件事：dask worker --nthreads 1",
                )
            )
        inner = client.get_executor()
        try:
            yield _Cluster(inner), len(threads)
        finally:
            inner.shutdown(wait=False)


class _Cluster(Executor):
    """Says in the words of `concurrent.futures` that a worker has died."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have it done by a worker."""
        future: Future[T] = Future()
        inner = self._inner.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda ours: inner.cancel() if ours.cancelled() else None)
        inner.add_done_callback(partial(_passed_on, future))
        return future


def _passed_on(future: Future[T], inner: Future[T]) -> None:
    """Give on what came of something, unless nobody waits for it any more."""
    if inner.cancelled() or not future.set_running_or_notify_cancel():
        future.cancel()
        return
    error = inner.exception()
    if error is None:
        future.set_result(inner.result())
    elif type(error).__module__.partition(".")[0] == "distributed":
        future.set_exception(BrokenExecutor(type(error).__name__))
    else:
        future.set_exception(error)


def _begin() -> None:
    """Make a process end with the one that has started it, and no sooner."""
    # Ctrl-C goes to all processes of a terminal; the first one kills the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(parent: int) -> None:
    connection.wait([parent])
    os._exit(1)
