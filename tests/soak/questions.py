"""`python -m tests.soak.questions`: random questions to an archive that grows, against brute force.

Says the seed, which repeats it, and what was asked of which state of the index. A wrong answer ends
it with its trace and 1.
"""

import argparse
import logging
import random
import tempfile
import time
from pathlib import Path

from tests.lookup.growing import ask_while_it_grows

PAGES = 2
"""Of each answer: an index of 200,000 orders finds thousands of one merchant."""


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.questions", description=__doc__)
    parser.add_argument("--orders", type=int, default=200_000, help="of three shops")
    parser.add_argument("--days", type=int, default=8, help="over which they are spread")
    parser.add_argument("--questions", type=int, default=10_000, help="at least")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if asked.seed is None else asked.seed
    print(f"{asked.questions:,} questions over {asked.orders:,} orders, seed {seed}", flush=True)
    logging.disable(logging.CRITICAL)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="questions-") as folder:
        grown = ask_while_it_grows(
            Path(folder),
            orders=asked.orders,
            days=asked.days,
            questions=asked.questions,
            seed=seed,
            pages=PAGES,
        )
    elapsed = time.monotonic() - started
    print(f"questions        {grown.asked:,} in {elapsed:,.0f} s, all answered as by brute force")
    states = ", ".join(f"{m} manifests in {n} segments" for m, n in sorted(grown.states))
    print(f"states           {states}; then rebuilt")


if __name__ == "__main__":
    main()
