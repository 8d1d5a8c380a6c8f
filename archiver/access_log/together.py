"""Many threads want something done, and one of them does it for all: a group's commit.

To be durable takes a wait for the disk, and one wait serves whatever came before it. Who comes
while another one works waits in line; whoever is first in line then works for the whole line, in
its order. Each gets his own outcome, or his own error; what fails as a whole fails for all of them.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

W = TypeVar("W")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _InLine(Generic[W, R]):
    """One who waits."""

    wanted: W
    done: bool = False
    outcomes: list[R] = field(default_factory=list)
    """One, when it is done without an error."""
    error: BaseException | None = None


@dataclass(slots=True)
class Together(Generic[W, R]):
    """A line. Threads share it."""

    _line: list[_InLine[W, R]] = field(default_factory=list)
    _joining: threading.Lock = field(default_factory=threading.Lock)
    _working: threading.Lock = field(default_factory=threading.Lock)

    def join(self, wanted: W, work: Callable[[Sequence[W]], Sequence[R | Exception]]) -> R:
        """Have one thing done, together with whatever else is in line.

        Args:
            wanted: The thing.
            work: Does all of these, in their order, and returns what came of each. Everybody in a
                line brings the same.

        Raises:
            Exception: What `work` returned for it, or raised for all.
        """
        mine = _InLine[W, R](wanted)
        with self._joining:
            self._line.append(mine)
        with self._working:
            if not mine.done:
                with self._joining:
                    group, self._line = self._line, []
                _work(group, work)
        if mine.error is not None:
            raise mine.error
        return mine.outcomes[0]


def _work(
    group: Sequence[_InLine[W, R]], work: Callable[[Sequence[W]], Sequence[R | Exception]]
) -> None:
    try:
        outcomes = work([one.wanted for one in group])
        for one, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Exception):
                one.error = outcome
            else:
                one.outcomes.append(outcome)
    except BaseException as error:
        for one in group:
            one.error = error  # nobody is told of something done that may not be
        raise
    finally:
        for one in group:
            one.done = True
