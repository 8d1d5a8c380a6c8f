"""What speaks for the archive beside its own chain: ledger, witnesses, what was read again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from archiver.ledger import Ledger
from archiver.service.pages.shapes import at
from archiver.service.pages.words import Words
from archiver.spreading import Spread
from archiver.verification.coverage import TURNS, Coverage


def ledger_tile(
    ledger: Ledger | None, manifests: int, words: Words, zone: ZoneInfo
) -> Mapping[str, Any]:
    """Return how long the ledger is, and whether its head is signed.

    Args:
        ledger: None where what there is contradicts it.
        manifests: How many there are.
        words: The reader's language.
        zone: The archive's.
    """
    title = words("ledger.title")
    if ledger is None:
        value, more = words("ledger.broken"), words("ledger.contradicts")
        return {"title": title, "kind": "bad", "value": value, "more": more}
    grown, waiting = at(ledger.grown_at, zone), manifests - ledger.taken.manifests
    if waiting:
        kind, more = "warn", words("ledger.waiting", count=waiting)
    elif grown is None or ledger.checkpoint() is None:
        kind, more = "warn", words("ledger.unsigned")
    else:
        kind, more = "good", words("ledger.grown", at=grown.minute_of_day)
    value = words("ledger.size", size=f"{ledger.size:,}") if ledger.size else words("ledger.empty")
    return {"title": title, "kind": kind, "value": value, "more": more}


def coverage_tile(coverage: Coverage, words: Words, now: datetime) -> Mapping[str, Any]:
    """Return within how many days every byte was read again."""
    title = words("verification.title")
    if coverage.last is None:
        value, more = words("verification.never"), words("verification.never-more")
        return {"title": title, "kind": "warn", "value": value, "more": more}
    alarms = sum(one.findings for one in coverage.turns.values())
    oldest = coverage.oldest(now)
    value = (
        words("verification.parts", count=len(coverage.turns), turns=TURNS)
        if oldest is None
        else words("verification.within", days=oldest + 1)
    )
    if alarms:
        more = words("verification.alarms", count=alarms, day=coverage.last)
        return {"title": title, "kind": "bad", "value": value, "more": more}
    late = oldest is None or oldest > TURNS
    more = words("verification.last", day=coverage.last)
    return {"title": title, "kind": "warn" if late else "good", "value": value, "more": more}


def witnesses_block(spread: Spread | None, words: Words, zone: ZoneInfo) -> Mapping[str, Any]:
    """Return who holds which checkpoint, as far as this host knows."""
    found = spread or Spread()

    def row(
        name: str, size: int, told: datetime | None, since: datetime | None
    ) -> Sequence[Mapping[str, str]]:
        seen, behind = at(told, zone), at(since, zone)
        if behind is not None:
            chip, said = "bad", words("witnesses.behind", since=behind.minute_of_day)
        elif not size:
            chip, said = "warn", words("witnesses.nothing")
        else:
            chip, said = "good", words("witnesses.current")
        return [
            {"text": name, "chip": ""},
            {"text": f"{size:,}" if size else "", "chip": ""},
            {"text": seen.minute_of_day if seen else "", "chip": ""},
            {"text": said, "chip": chip},
        ]

    rows = [
        row(one.witness, one.size, one.confirmed_at, one.behind_since) for one in found.holdings
    ]
    rows += [
        row(
            words("witnesses.authority", name=one.authority),
            one.size,
            one.stamped_at,
            one.behind_since,
        )
        for one in found.stamps
    ]
    return {
        "title": words("witnesses.title"),
        "chip": None,
        "heads": [
            {"label": words(f"witnesses.{name}"), "number": name == "checkpoint"}
            for name in ("name", "checkpoint", "at", "state")
        ],
        "rows": rows,
        "empty": words("witnesses.none"),
    }
