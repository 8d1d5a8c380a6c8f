"""`python -m tests.bench.night CONFIG init|nightly [DAY]`: a night as its own process."""

import sys
from datetime import date
from pathlib import Path

from archiver.wiring import Installation
from tests.archives import Silent


def main(config: str, command: str, day: str = "") -> None:
    """Found the archive or seal up to a day."""
    installation = Installation.load(Path(config))
    if command == "init":
        installation.initialise()
        return
    with installation.night(Silent()) as night:
        report = night.run(date.fromisoformat(day))
    for failure in report.failures:
        print(failure, file=sys.stderr)
    print(sum(one.counts["orders"] for one in report.days))
    sys.exit(report.exit)


if __name__ == "__main__":
    main(*sys.argv[1:])
