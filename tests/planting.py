"""Faults planted in a copy of the code, one line at a time, and whether the tests notice.

A normal run plants a tenth of them, another tenth each day; `make soak` and `PLANT=all` plant all.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALL = os.environ.get("PLANT") == "all" or "SOAK_EXAMPLES" in os.environ
PARTS = 10


@dataclass(frozen=True, slots=True)
class Fault:
    """One line made wrong, and who must notice."""

    what: str
    file: str
    right: str
    wrong: str
    noticed_by: str

    def __str__(self) -> str:
        """Return what is wrong."""
        return self.what


def of_today(faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults that this run plants."""
    today = date.today().toordinal() % PARTS  # noqa: DTZ011  any day will do
    return [one for number, one in enumerate(faults) if ALL or number % PARTS == today]


def require_noticed(fault: Fault, folder: Path) -> None:
    """Plant a fault in a copy of the code and run the test that guards its line, which must fail.

    Args:
        fault: Its right line must stand in its file once.
        folder: Empty.
    """
    # What is compiled comes along: it is as old as its source, and the planted line's file is not.
    leave_out = shutil.ignore_patterns("*.pyc.*", "golden", "bench", "nights", "servers.log")
    for name in ("archiver", "schemas", "cli", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
    shutil.copy(ROOT / "pyproject.toml", folder)
    file = folder / fault.file
    text = file.read_text("utf-8")
    assert text.count(fault.right) == 1, f"{fault.file} has changed: plant this fault anew"
    file.write_text(text.replace(fault.right, fault.wrong), "utf-8")

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", fault.noticed_by],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "HYPOTHESIS_PROFILE": "test"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1, f"{fault.noticed_by} did not notice\n{run.stdout[-2000:]}"
    assert "1 failed" in run.stdout, run.stdout[-2000:]
