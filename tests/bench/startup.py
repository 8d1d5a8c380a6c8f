"""How long `archiver --help` keeps somebody waiting."""

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure
from tests.bench.ground import Ground
from tests.bench.processes import run

NAME = "startup"
PROGRAM = Path(sys.executable).parent / "archiver"
REPEATS = 15


def measure(ground: Ground) -> Iterator[Figure]:
    """Run the installed command again and again; the first time only warms the disk cache."""
    runs = [run([PROGRAM, "--help"]) for _ in range(REPEATS + 1)][1:]
    ground.say(f"  fastest {min(one.seconds for one in runs):.3f} s")
    yield Figure(
        benchmark=NAME,
        what=f"archiver --help (median of {REPEATS})",
        value=median(one.seconds for one in runs),
        unit="s",
        target=0.2,
    )
