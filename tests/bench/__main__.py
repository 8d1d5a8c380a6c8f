"""`python -m tests.bench [NAME …]`: measure, and print a table of figures and targets.

Always ends with 0: figures depend on the machine and on who else uses it.
"""

import argparse
import json
import sys

from rich.console import Console

from tests.bench import (
    backfill,
    encryption,
    hive,
    index,
    ledger,
    lookups,
    memory,
    profile,
    puts,
    sealing,
    service,
    sight,
    startup,
    status,
    verify,
)
from tests.bench.figures import Figure, show
from tests.bench.ground import Ground, open_ground
from tests.servers.shared import ServerMissingError

BENCHMARKS = {
    module.NAME: module
    for module in (
        startup,
        status,
        sight,
        puts,
        encryption,
        sealing,
        backfill,
        memory,
        index,
        lookups,
        hive,
        ledger,
        service,
        verify,
    )
}
PROFILE = "profile"


def main() -> None:
    """Run the chosen benchmarks."""
    chosen = _arguments()
    console = Console(stderr=chosen.json)
    sizes = {
        "orders": chosen.orders,
        "many_orders": chosen.many_orders,
        "history_orders": chosen.history_orders,
        "runs": chosen.runs,
        "tokens": chosen.tokens,
    }
    with open_ground(console, **sizes) as ground:
        if PROFILE in chosen.names:
            profile.show(ground)
        names = chosen.names or list(BENCHMARKS)
        figures = [
            figure for name in names if name in BENCHMARKS for figure in _measured(name, ground)
        ]
    if chosen.json:
        print(json.dumps([figure.as_json() for figure in figures], ensure_ascii=False, indent=1))
    elif figures:
        show(figures, console)


def _measured(name: str, ground: Ground) -> list[Figure]:
    ground.say(f"{name}: {(BENCHMARKS[name].__doc__ or '').splitlines()[0]}")
    try:
        return list(BENCHMARKS[name].measure(ground))
    except (ServerMissingError, RuntimeError, OSError) as error:
        ground.console.print(f"{name} could not be measured: {error}", style="red", markup=False)
        return []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*BENCHMARKS, PROFILE)))
    parser.add_argument("--orders", type=int, default=1_000_000, help="of the large day")
    parser.add_argument("--many-orders", type=int, default=5_000_000, help="of the largest day")
    parser.add_argument("--history-orders", type=int, default=3_000_000, help="of 90 days")
    parser.add_argument("--tokens", type=int, default=100_000_000, help="of the search index")
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs against a peer")
    parser.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - {*BENCHMARKS, PROFILE}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return chosen


if __name__ == "__main__":
    main()
    sys.exit(0)
