"""What is sealed, missing and proven, read from the store now and then and told in between."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from archiver.archive import Archive
from archiver.errors import ArchiverError, RollbackError
from archiver.ledger import Ledger, read_ledger
from archiver.lockproof import latest_proof, require_proof
from archiver.lookup.shown import instant
from archiver.ports import LockMode
from archiver.signed_documents import SignedDocument
from archiver.spreading import Spread, remembered
from archiver.status import Status, status_fields, survey
from archiver.verification.coverage import Coverage
from archiver.wiring import Installation
from schemas.documents import LockProof

FRESH: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The archive as it was at some time."""

    at: datetime
    status: Status
    lock: str
    """`COMPLIANCE` or `advisory`."""
    proof: SignedDocument[LockProof] | None
    doubt: ArchiverError | None
    """What a night would say about the lock's proof."""
    ledger: Ledger | None
    """None where what there is contradicts it: `contradiction` says how."""
    contradiction: ArchiverError | None
    spread: Spread | None
    """Who holds the ledger's head, as far as this host knows."""
    coverage: Coverage
    """Which part of the archive was read again when, by this host."""

    @property
    def proof_age(self) -> timedelta | None:
        """Of the last lock proof."""
        return None if self.proof is None else self.at - self.proof.document.created_at


@dataclass(slots=True, kw_only=True)
class Surveyor:
    """Looks at most once a minute, whoever asks."""

    installation: Installation
    archive: Archive
    _seen: Seen | None = None
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def seen(self) -> Seen:
        """Return what there is, as of the last minute.

        Raises:
            StoreError: The store did not answer.
            TamperedError: The chain of manifests does not hold.
        """
        with self._looking:
            now = self.archive.clock.now()
            if self._seen is None or not timedelta() <= now - self._seen.at < FRESH:
                self._seen = self._look(now)
            return self._seen

    def _look(self, now: datetime) -> Seen:
        catalog = self.installation.catalog(self.archive)
        catalog.refresh()
        configuration = self.installation.configuration
        proof = latest_proof(self.archive)
        doubt: ArchiverError | None = None
        try:
            doubt = require_proof(self.archive, proof, fenced=self.installation.fenced)
        except ArchiverError as error:
            doubt = error
        ledger, contradiction = None, None
        try:
            ledger = read_ledger(self.archive, catalog)
        except RollbackError as error:
            contradiction = error
        locked = self.archive.lock is LockMode.COMPLIANCE
        return Seen(
            at=now,
            status=survey(
                catalog,
                self.archive.rules,
                now,
                [section.name for section in configuration.source],
                configuration.alarms.sealed_by,
            ),
            lock=self.archive.lock.value if locked else "advisory",
            proof=proof,
            doubt=doubt,
            ledger=ledger,
            contradiction=contradiction,
            spread=self._spread(ledger, now) if ledger else None,
            coverage=Coverage.load(
                self.installation.index_folder,
                self.archive.id,
                now.astimezone(self.archive.rules.zone).date(),
            ),
        )

    def _spread(self, ledger: Ledger, now: datetime) -> Spread | None:
        configuration = self.installation.configuration
        if not (configuration.witness or configuration.timestamp):
            return None
        circle = self.installation.circle(self.archive)
        return remembered(self.archive, circle, ledger.size, now)


def seen_fields(seen: Seen, archive: Archive) -> dict[str, Any]:
    """Return the archive's status as JSON, as `archiver status` gives it."""
    age = seen.proof_age
    return {
        **status_fields(
            seen.status, seen.lock, archive.document.name, archive.settings.description
        ),
        "lock_proof_age_s": None if age is None else int(age.total_seconds()),
        "as_of": instant(seen.at),
        "alarms": [
            *(["day-not-sealed"] if any(one.overdue for one in seen.status.sources) else ()),
            *(["missing-days"] if any(one.missing for one in seen.status.sources) else ()),
            *([seen.doubt.code] if seen.doubt else ()),
            *([seen.contradiction.code] if seen.contradiction else ()),
            *(one.code for one in (seen.spread.failures if seen.spread else ())),
            *(one.code for one in seen.status.gone),
        ],
    }
