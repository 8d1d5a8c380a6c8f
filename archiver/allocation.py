"""How this process takes memory: what sealing frees goes back to the system, and soon.

Tables of a hundred MB come and go while a night works. Arrow's own allocator keeps what is freed
for each thread: it held twice what was in use. The C library's keeps less, and gives the rest back
when it is told to. Where there is no mallopt, memory is only larger.
"""

import contextlib
import ctypes
from typing import Final

import pyarrow as pa

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""glibc's malloc.h."""
LARGE_BYTES: Final = 4 << 20
"""What is as large as this goes back the moment it is freed. With 1 MB, the columns of every page
are taken from the system anew: a night then spends a tenth of its time on that."""
KEPT_BYTES: Final = 64 << 20
"""Of the rest so much may lie free before it goes back unasked."""


def return_freed_memory(
    *, arenas: int, large_bytes: int = LARGE_BYTES, kept_bytes: int = KEPT_BYTES
) -> None:
    """Make everything that allocates in this process give back what it frees.

    Args:
        arenas: How many threads allocate at the same time, about.
        large_bytes: From this size on at once.
        kept_bytes: How much of the smaller ones may be kept.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    options = (
        (_M_ARENA_MAX, arenas),
        (_M_MMAP_THRESHOLD, large_bytes),
        (_M_TRIM_THRESHOLD, kept_bytes),
    )
    with contextlib.suppress(OSError, AttributeError):
        c_library = ctypes.CDLL(None)
        for option, value in options:
            c_library.mallopt(option, value)


def return_the_rest() -> None:
    """Give back what lies free between pieces that are in use: after something large has gone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, where it is if it is one: `combine_chunks` copies even that."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
