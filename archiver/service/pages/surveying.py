"""The status page: days, lock, bills; read from the store now and then, never while one waits.

The chain of manifests, proofs and reconciliations lie in the store. What was read last is shown
with its time; when it is a minute old, whoever looks next has it read anew behind his back. Only
the very first look waits.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from archiver import layout
from archiver.archive import Archive
from archiver.errors import ArchiverError, LockProofOldError
from archiver.service import surveying as survey
from archiver.service.house import Service
from archiver.service.pages.assurance import coverage_tile, ledger_tile, witnesses_block
from archiver.service.pages.drawing import Notice
from archiver.service.pages.forms import Framed, Short
from archiver.service.pages.framing import Frame
from archiver.service.pages.heat import heat, spans
from archiver.service.pages.shapes import at, size
from archiver.service.pages.words import Words
from schemas.documents import Reconciliation

router = APIRouter(include_in_schema=False)
log: Final = logging.getLogger(__name__)

FRESH: Final = timedelta(minutes=1)
BILLS: Final = 5
"""Reconciliations, the newest."""
NAMED: Final = 12
"""Stretches of missing days that are named; the calendar shows all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read, and when."""

    state: survey.Seen
    bills: Sequence[Reconciliation]

    @property
    def at(self) -> datetime:
        """When."""
        return self.state.at


@dataclass(slots=True)
class Surveyor:
    """Reads the archive's state for all who look."""

    begin: Callable[[Callable[[], None]], None]
    """Starts something behind whoever looks."""
    _seen: Seen | None = None
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, service: Service) -> Seen:
        """Return what was read last; the first time, read it.

        Raises:
            StoreError: It was never read, and the store does not answer.
        """
        seen = self._seen
        if seen is None:
            with self._reading:
                return self._seen or self._read(service)
        if service.installation.clock.now() - seen.at >= FRESH and self._reading.acquire(
            blocking=False
        ):
            # The lock goes with the work, and is released by it.
            self.begin(lambda: self._read_again(service))
        return seen

    def _read_again(self, service: Service) -> None:
        try:
            self._read(service)
        except ArchiverError as error:
            log.warning("status not read", extra={"code": error.code})
        finally:
            self._reading.release()

    def _read(self, service: Service) -> Seen:
        state = service.surveyor.seen()
        self._seen = Seen(state=state, bills=_bills(service.library.archive))
        return self._seen


@router.get("/status")
def status(frame: Framed, source: Short = "") -> Response:
    """Show what is sealed and missing."""
    surveyor: Surveyor = frame.request.app.state.pages.surveyor
    seen = surveyor.seen(frame.service)
    words, zone = frame.words, frame.service.installation.rules.zone
    by_name = {one.source: one for one in seen.state.status.sources}
    chosen = by_name.get(source) or next(iter(by_name.values()), None)
    drawn = None if chosen is None else heat(chosen, seen.state.status.last_closed, words)
    return frame.answer(
        "status",
        "status",
        notices=_alarms(frame, seen),
        seen=at(seen.at, zone),
        tiles=_tiles(frame, seen),
        missing=[
            {
                "source": one.source,
                "count": len(one.missing),
                "days": words("frame.and").join(spans(one.missing)[:NAMED])
                + (" …" if len(spans(one.missing)) > NAMED else ""),
            }
            for one in seen.state.status.sources
            if one.missing
        ],
        heat=drawn,
        sources=list(by_name),
        blocks=[
            witnesses_block(seen.state.spread, words, zone),
            _reconciled(frame, seen.bills),
        ],
    )


def _alarms(frame: Frame, seen: Seen) -> Sequence[Notice]:
    language = frame.words.language
    state = seen.state
    alarms = [*([state.contradiction] if state.contradiction else ())]
    alarms += state.spread.failures if state.spread else ()
    return [
        *(Notice(text=one.text(language), kind="bad") for one in alarms),
        *(Notice(text=one.text(language), kind="warn") for one in state.status.gone),
    ]


def _tiles(frame: Frame, seen: Seen) -> Sequence[Mapping[str, Any]]:
    words, found = frame.words, seen.state.status
    days = [day for one in found.sources for day in one.sealed.values()]
    missing = sum(len(one.missing) for one in found.sources)
    overdue = any(one.overdue for one in found.sources)

    def total(name: str) -> int:
        return sum(getattr(day, name) for day in days)

    return [
        {
            "kind": "bad" if overdue else "warn" if missing else "good",
            "title": words("status.sealed"),
            "value": f"{len(days):,}",
            "more": words("status.sealed-more", missing=missing, last=found.last_closed),
        },
        {
            "kind": "",
            "title": words("status.orders"),
            "value": f"{total('orders'):,}",
            "more": words(
                "status.orders-more",
                revisions=f"{total('revisions'):,}",
                rejects=f"{total('rejects'):,}",
            ),
        },
        {
            "kind": "",
            "title": words("status.size"),
            "value": size(total("size_bytes")),
            "more": words(
                "status.size-more",
                partitions=f"{total('partitions'):,}",
                manifest=found.last_manifest.number if found.last_manifest else "–",
            ),
        },
        _proof_tile(words, seen.state),
        ledger_tile(
            seen.state.ledger,
            found.last_manifest.number if found.last_manifest else 0,
            words,
            frame.service.installation.rules.zone,
        ),
        coverage_tile(seen.state.coverage, words, seen.at),
    ]


def _proof_tile(words: Words, seen: survey.Seen) -> Mapping[str, Any]:
    tile: dict[str, Any] = {"title": words("status.proof")}
    if seen.proof is None or seen.proof_age is None:
        value, more = words("status.proof-none"), words("status.proof-missing")
        return tile | {"kind": "bad", "value": value, "more": more}
    document, age = seen.proof.document, seen.proof_age.days
    alarming = seen.doubt is not None and not isinstance(seen.doubt, LockProofOldError)
    fine = seen.doubt is None and document.worm
    return tile | {
        "kind": "bad" if alarming else "good" if fine else "warn",
        "value": words("status.proof-days", days=age) if age else words("status.proof-today"),
        "more": words(f"status.proof-{document.verdict}"),
    }


_VERDICTS: Final = {"match": "good", "pending": "warn", "differences": "bad"}


def _reconciled(frame: Frame, bills: Sequence[Reconciliation]) -> Mapping[str, Any]:
    words, zone = frame.words, frame.service.installation.rules.zone

    def verdict(one: Reconciliation) -> Mapping[str, str]:
        return {"text": words(f"reconciliation.{one.verdict}"), "chip": _VERDICTS[one.verdict]}

    def row(one: Reconciliation) -> Sequence[Mapping[str, str]]:
        told = at(one.created_at, zone)
        first, last = one.statement.start.astimezone(zone), one.statement.end.astimezone(zone)
        texts = (
            told.minute_of_day if told else "",
            f"{one.statement.format} {one.statement.account or ''}",
            f"{first:%Y-%m-%d} – {last - timedelta(microseconds=1):%Y-%m-%d}",
            f"{one.statement.payments:,}",
            f"{sum(total.count for total in one.totals):,}",
        )
        return [*({"text": text, "chip": ""} for text in texts), verdict(one)]

    heads = ("at", "statement", "days", "payments", "found", "verdict")
    newest = bills[0] if bills else None
    chip = verdict(newest) if newest else None
    return {
        "title": words("reconciliation.title"),
        "chip": {"kind": chip["chip"], "text": chip["text"]} if chip else None,
        "heads": [
            {
                "label": words(f"reconciliation.{name}"),
                "number": name in ("payments", "found"),
            }
            for name in heads
        ],
        "rows": [row(one) for one in bills],
        "empty": words("reconciliation.none"),
    }


def _bills(archive: Archive) -> Sequence[Reconciliation]:
    numbers = {
        number
        for version in archive.store.list_versions(layout.RECONCILIATIONS)
        if (number := layout.reconciliation_number(version.key)) is not None
    }
    newest = sorted(numbers, reverse=True)[:BILLS]
    return [
        archive.read_signed(
            layout.reconciliation_key(number), "reconciliation", Reconciliation
        ).document
        for number in newest
    ]
