"""`python -m tests.bench.night CONFIG init | nightly DAY | backfill FIRST LAST WORKERS`.

Founds an archive or seals into it, as a process of its own.
"""

import sys
from datetime import date
from pathlib import Path

from archiver.nightly import NightReport
from archiver.wiring import Installation
from archiver.workers import open_backfill
from tests.archives import Silent


def main(config: str, command: str, *words: str) -> None:
    """Found the archive, or seal up to a day or a range of days."""
    installation = Installation.load(Path(config))
    report: NightReport
    if command == "init":
        installation.initialise()
        return
    if command == "backfill":
        first, last, workers = words
        days = (date.fromisoformat(first), date.fromisoformat(last))
        with open_backfill(
            installation,
            Path(config),
            days,
            workers=int(workers),
            names=[section.name for section in installation.configuration.source],
            watch=lambda _: None,
        ) as backfill:
            report = backfill.run(*days)
    else:
        with installation.night(Silent()) as night:
            report = night.run(date.fromisoformat(*words))
    for failure in report.failures:
        print(failure, file=sys.stderr)
    print(sum(one.counts["orders"] for one in report.days))
    sys.exit(report.exit)


if __name__ == "__main__":
    main(*sys.argv[1:])
