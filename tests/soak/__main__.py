"""`python -m tests.soak`: live through N random histories, then break a real night's calls.

Says seed and counts, and for each finding the command that repeats it. Ends with 1 where
something was found.
"""

import argparse
import logging
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final, TextIO

from tests.soak import traced, verifications
from tests.soak.history import Lived, live, nights_of
from tests.soak.progress import Progress, listed

AT_ONCE: Final = 5
"""Histories that a worker takes at a time."""


def lived(seeds: Sequence[int]) -> list[Lived]:
    """Live through some histories; a finding is told with its trace and stops none of them."""
    logging.disable(logging.CRITICAL)
    return [_lived(seed) for seed in seeds]


def _lived(seed: int) -> Lived:
    try:
        return live(seed)
    except Exception:  # noqa: BLE001  whatever it is, it is a finding
        return Lived(seed, finding=traceback.format_exc(limit=-4))


def histories(count: int, seed: int, workers: int) -> Iterator[Lived]:
    """Yield what became of each history, as they end."""
    seeds = range(seed, seed + count)
    with ProcessPoolExecutor(workers) as pool:
        parts = [seeds[start : start + AT_ONCE] for start in range(0, count, AT_ONCE)]
        for future in as_completed([pool.submit(lived, part) for part in parts]):
            yield from future.result()


def soak(count: int, seed: int, workers: int, out: TextIO) -> int:
    """Live through histories, print what happened, return how many findings there are."""
    print(f"{count:,} histories, seed {seed}, {workers} processes", flush=True)
    progress, done = Progress(sys.stderr), 0
    nights: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    all_nights = orders = rejects = findings = 0
    for one in histories(count, seed, workers):
        done += 1
        nights += one.nights
        faults += one.faults
        all_nights += nights_of(one)
        orders, rejects = orders + one.orders, rejects + one.rejects
        if one.finding:
            findings += 1
            print(f"\nFINDING in history {one.seed}\n{one.finding}", file=out)
            print(
                f"repeat it: make soak SEED={one.seed} N=1 TRACED=0 QUESTIONS=0 PROPERTIES=0\n",
                file=out,
            )
        elapsed = time.monotonic() - progress.started
        left = elapsed / done * (count - done)
        progress.show(
            f"{done:,} of {count:,} histories, {faults.total():,} faults, {findings} findings, "
            f"{left:,.0f} s left",
            last=done == count,
        )
    print(f"histories        {done:,}", file=out)
    print(f"nights           {all_nights:,}  {listed(nights)}", file=out)
    print(f"faults injected  {faults.total():,}  {listed(faults)}", file=out)
    print(f"sealed           {orders:,} orders, {rejects:,} rejects", file=out)
    print(f"findings         {findings}: 0 lost, 0 doubled, 0 unlocked" if not findings else
          f"findings         {findings}", file=out)  # fmt: skip
    return findings


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None, help="of the first history")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--traced", type=int, default=60, help="system calls of a real night to break, by strace"
    )
    parser.add_argument(
        "--verifications", type=int, default=0, help="of honest archives, none with an alarm"
    )
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if asked.seed is None else asked.seed
    findings = soak(asked.histories, seed, asked.workers, sys.stdout)
    if asked.traced:
        findings += traced.soak(asked.traced, seed, asked.workers, sys.stdout)
    if asked.verifications:
        findings += verifications.soak(asked.verifications, seed, asked.workers, sys.stdout)
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
