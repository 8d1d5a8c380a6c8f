"""A file of which only some ranges are there: what ranged GETs have fetched.

Responsible for serving them to a Parquet reader as if the file were whole. Refuses to invent the
rest: a reader that reaches for it gets an error, never zeros.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class NotFetchedError(OSError):
    """A reader asked for bytes that were not fetched."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A range of an object."""

    start: int
    content: bytes

    @property
    def end(self) -> int:
        """Where it ends, exclusive."""
        return self.start + len(self.content)


class SparseFile(io.RawIOBase):
    """A seekable file of `size` bytes that has `ranges` and nothing else."""

    def __init__(self, size: int, ranges: Sequence[Fetched]) -> None:
        super().__init__()
        self._size: Final = size
        self._ranges: Final = tuple(ranges)
        self._position = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; no byte need be there."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return bytes from the position on.

        Raises:
            NotFetchedError: Some of them are not there.
        """
        start = self._position
        end = self._size if size < 0 else min(start + size, self._size)
        if start >= end:
            return b""
        for fetched in self._ranges:
            if fetched.start <= start and end <= fetched.end:
                self._position = end
                return fetched.content[start - fetched.start : end - fetched.start]
        message = f"bytes {start} to {end} were not fetched"
        raise NotFetchedError(message)
