"""Which part of the archive was read again when, in one line."""

from datetime import datetime

from archiver.verification.coverage import TURNS, Coverage
from cli.texts import Words


def coverage_line(words: Words, coverage: Coverage, now: datetime) -> str:
    """Return one line on what was read again within how many days."""
    if coverage.last is None:
        return words("verify.never")
    oldest = coverage.oldest(now)
    if oldest is None:
        return words("verify.covering", count=len(coverage.turns), turns=TURNS, day=coverage.last)
    return words("verify.covered", days=oldest + 1, day=coverage.last)
