"""The local search index: built from generated tokens, then asked."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from archiver.index import Index
from archiver.search_tokens import Kind, ask
from tests.bench.figures import Figure
from tests.bench.ground import Ground
from tests.bench.index_build import ARCHIVE, ASKED, KEYS
from tests.bench.processes import run

NAME = "index"
SMALL = 10_000_000
QUESTIONS = 1_000


def measure(ground: Ground) -> Iterator[Figure]:
    """Build a large index and a tenth of it, each in a process of its own."""
    medians = {}
    for tokens in dict.fromkeys((min(SMALL, ground.tokens), ground.tokens)):
        folder = ground.folder / "search"
        folder.mkdir()
        argv = [sys.executable, "-m", "tests.bench.index_build", str(folder), str(tokens)]
        built = run(argv, watch_memory=True)
        seconds = float(built.output.split()[-1])
        size = sum(path.stat().st_size for path in folder.glob("*.*"))
        times = _asked(folder)
        medians[tokens] = float(np.percentile(times, 50))
        shutil.rmtree(folder)
        ground.say(f"  {tokens:,} tokens: {seconds:.1f} s, {built.cpu_seconds:.1f} s of CPU")
        if tokens == ground.tokens:
            yield from _figures(tokens, seconds, size, built.peak_bytes, times)
    yield Figure(
        benchmark=NAME,
        what=f"p50 at {ground.tokens:,} against {SMALL:,} tokens",
        value=medians[ground.tokens] / medians[min(SMALL, ground.tokens)],
        unit="×",
        target=1.5,
    )


def _asked(folder: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return milliseconds of questions by a value that one order has."""
    index = Index.open(folder, ARCHIVE)
    times = []
    for number in np.random.default_rng(2).permutation(ASKED)[:QUESTIONS].tolist():
        started = perf_counter()
        question = ask(KEYS, Kind.CONTACT, f"V{number}@example.com ")
        hits = index.find([question]) if question else []
        times.append((perf_counter() - started) * 1e3)
        if len(hits) != 1:
            raise RuntimeError(f"v{number} was found {len(hits)} times")
    return np.array(times)


def _figures(
    tokens: int,
    seconds: float,
    size: int,
    peak: int,
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> Iterator[Figure]:
    what = f"{tokens:,} tokens of four years"
    for percentile, target in ((50, 2.0), (99, 10.0)):
        yield Figure(
            benchmark=NAME,
            what=f"p{percentile}, value to place, {what}",
            value=float(np.percentile(times, percentile)),
            unit="ms",
            target=target,
        )
    yield Figure(
        benchmark=NAME,
        what="built",
        value=tokens / seconds,
        unit="tokens/s",
        target=3e6,
        sense="at least",
    )
    yield Figure(
        benchmark=NAME, what="peak while building", value=peak / 1e6, unit="MB", target=2500
    )
    yield Figure(benchmark=NAME, what="on disk", value=size / tokens, unit="bytes/token", target=12)
