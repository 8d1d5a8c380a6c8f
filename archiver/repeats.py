"""Order ids that occur more than once among the rows of one pass. Pure."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class SeenIds:
    """The token heads of all rows so far: 8 bytes a row, a few sorted arrays."""

    repeated: list[NDArray[np.uint64]] = field(default_factory=list)
    """Heads that came a second time; two ids may share one, which costs a closer look only."""
    again: int = 0
    """How many rows came with a head that was there before."""
    _sorted: list[NDArray[np.uint64]] = field(default_factory=list)

    def contain(self, heads: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which heads are among those of the rows so far."""
        found = np.zeros(len(heads), np.bool_)
        for seen in self._sorted:
            positions = np.minimum(np.searchsorted(seen, heads), len(seen) - 1)
            found |= seen[positions] == heads
        return found

    def add(self, heads: NDArray[np.uint64]) -> None:
        """Add the heads of further rows, noting those that were there before."""
        new = np.sort(heads)
        again = np.zeros(len(new), np.bool_)
        again[1:] = new[1:] == new[:-1]
        for seen in self._sorted:
            positions = np.minimum(np.searchsorted(seen, new), len(seen) - 1)
            again |= seen[positions] == new
        if again.any():
            self.repeated.append(new[again])
            self.again += int(again.sum())
        # Merged like a binary counter: few arrays, and each row is moved a few times only.
        while self._sorted and len(self._sorted[-1]) <= len(new):
            new = np.concatenate([self._sorted.pop(), new])
            new.sort(kind="stable")
        if len(new):
            self._sorted.append(new)
