"""Whether a run needs a fence beside the store, and the fence if it does.

Relies on the lock proof, which has tried whether the store lets several writers of one key win,
and on a database that all hosts share. Where the store is a fence itself the database is left
alone: a night must not wait for what it does not need.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from archiver.archive import Archive
from archiver.lockproof import latest_proof
from archiver.ports import Claim, Fence
from archiver.state import State
from archiver.state.fence import RowFence


@dataclass(frozen=True, slots=True, kw_only=True)
class Fencing:
    """What keeps the runs of an archive apart, as far as the configuration goes."""

    archive: Archive
    state: State
    holder: str
    """This host and its place, for people."""

    @contextmanager
    def held(self) -> Iterator[Fence | None]:
        """Hold the row until the block is left; None where the store is the fence, or nothing is.

        Raises:
            AnotherRunError: A run of another host holds it.
            StateUnavailableError: The database does not answer.
        """
        proof = latest_proof(self.archive) if self._may_need_one else None
        if proof is None or proof.document.conditional_put:
            yield None
            return
        with closing(self.state), self._row().leased() as fence:
            yield fence

    def claim(self) -> Claim | None:
        """Return the last manifest that was decided, None if none ever was.

        Raises:
            StateUnavailableError: The database does not answer.
        """
        if not self._may_need_one:
            return None
        with closing(self.state):
            return self._row().seen()

    @property
    def _may_need_one(self) -> bool:
        # A folder is one host's, whose kernel keeps its runs apart.
        return self.state.shared and self.archive.settings.worm

    def _row(self) -> RowFence:
        return RowFence(self.state, self.archive.id, self.holder)
