"""Where parallel work runs: in the caller's own thread, or in processes of this host.

Responsible for processes that end with the work: they leave an interruption to the process that
has started them, and do not outlive it even if it is killed.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from typing import Final, ParamSpec, TypeVar

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
def processes(workers: int) -> Iterator[Executor]:
    """Give an executor over processes of this host.

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
        yield pool
        grace = GRACE_SECONDS
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process not in others:
                process.join(grace)
                process.kill()


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
