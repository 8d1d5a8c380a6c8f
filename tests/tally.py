"""What a run of tests did to the archive: faults injected, histories lived, dates computed.

A test says `tally("fault", "reply lost")` where it happens; `conftest.py` prints the sums of the
whole run, over all workers, beside pytest's summary. A number that nobody sees is not kept.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

FAULT: Final = "faults injected"
HISTORY: Final = "histories"
NIGHT: Final = "nights of histories"
RETENTION: Final = "retention cases"
WHAT: Final = (FAULT, HISTORY, NIGHT, RETENTION)
"""In the order in which they are told."""

PROPERTY: Final = "tally"
"""Under this name a test's report carries them from a worker to the main process."""

_counted: Counter[tuple[str, str]] = Counter()


def tally(what: str, kind: str = "", count: int = 1) -> None:
    """Count something that a test did."""
    _counted[what, kind] += count


def taken() -> Mapping[str, int]:
    """Return what was counted since the last call, as reports can carry it, and begin anew."""
    counted = {f"{what}: {kind}": count for (what, kind), count in _counted.items()}
    _counted.clear()
    return counted


def summed(reports: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    """Return the sums of several reports."""
    sums: Counter[tuple[str, str]] = Counter()
    for counted in reports:
        for name, count in counted.items():
            what, _, kind = name.partition(": ")
            sums[what, kind] += count
    return sums


def told(sums: Counter[tuple[str, str]]) -> list[str]:
    """Return a line for people about each thing that was counted, its kinds behind it."""
    lines = []
    for what in WHAT:
        kinds = {kind: count for (one, kind), count in sums.items() if one == what}
        if kinds:
            parts = [f"{kind} {count:,}" for kind, count in sorted(kinds.items()) if kind]
            lines.append(
                f"{what}: {sum(kinds.values()):,}" + (f" ({', '.join(parts)})" * bool(parts))
            )
    return lines
