"""The proof that nobody can lift this store's lock, and for how long it is believed.

Responsible for making a proof (attack, read the bucket's settings, sign, store it locked) and for
the rule by which a night rests on one. A run that permissions kept from deciding is no proof and
is not stored: the earlier one counts until it is too old. Relies on `lock_attacks` for what is
tried and what held. Refuses nothing of a store that does not claim a lock (`dir:`): it is said
to be advisory, in proofs, nights and status.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal

from archiver import layout
from archiver.archive import Archive
from archiver.bounded_get import document_bytes
from archiver.bucket_findings import findings
from archiver.clocks import MAX_CLOCK_SKEW
from archiver.errors import (
    AlreadyStoredError,
    ArchiverError,
    LockBrokenError,
    LockNotHonouredError,
    LockNotProvenError,
    LockProofInconclusiveError,
    LockProofOldError,
    NoFenceError,
    Said,
    TamperedError,
)
from archiver.lock_attacks import RACE, attack_lock, broken, race, undecided
from archiver.ports import LockProver, VersionEntry
from archiver.signed_documents import SignedDocument
from schemas.documents import LockAttack, LockFinding, LockProof

FRESH: Final = timedelta(days=7)
"""An older proof raises an alarm: it is to be made once a week."""
USABLE: Final = timedelta(days=35)
"""On an older one nothing is sealed. Between the two, not archiving is the greater violation."""

Verdict = Literal["proven", "failed", "advisory", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an attempt to prove the lock came to."""

    verdict: Verdict
    attacks: Sequence[LockAttack]
    findings: Sequence[LockFinding]
    conditional_put: bool
    proof: SignedDocument[LockProof] | None = None
    """What was stored; None where nothing was decided."""

    @property
    def failure(self) -> ArchiverError | None:
        """The error that says what must be done where nothing but the store is the fence."""
        return self.failure_where(fenced=False)

    def failure_where(self, *, fenced: bool) -> ArchiverError | None:
        """Return the error that says what must be done, None where a night may rest on this.

        Args:
            fenced: Something else than the store keeps two runs apart.
        """
        match self.verdict:
            case "failed":
                return LockBrokenError(attacks=", ".join(broken(self.attacks)))
            case "inconclusive":
                return LockProofInconclusiveError(attacks=", ".join(undecided(self.attacks)))
            case "proven" | "advisory":
                return None if self.conditional_put or fenced else NoFenceError()


@dataclass(frozen=True, slots=True)
class Proven:
    """The lock was proven, lately."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The proof still carries a night, and somebody must know how old it is."""

    alarm: LockProofOldError


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing may be sealed."""

    error: ArchiverError


# --- making one ---------------------------------------------------------------------------------


def prove_lock(archive: Archive, prover: LockProver | None) -> Trial:
    """Attack the store's lock and store, signed and locked, what came of it.

    Args:
        archive: Opened to seal: the proof is signed.
        prover: The store under the prover's credentials; None for one that claims no lock.

    Raises:
        KeyUnavailableError: This host has no signing key.
        StoreError: The store did not answer; nothing is proven or refuted.
        StoreAccessError: It does not know the prover's credentials.
    """
    archive.signing_keys()
    trial = _advisory() if prover is None else _tried(archive, prover)
    if trial.verdict == "inconclusive":
        return trial
    return _stored(archive, trial, trial.verdict)


def _advisory() -> Trial:
    """A folder's create is exclusive by the kernel's word; there is no lock to attack."""
    return Trial(verdict="advisory", attacks=[], findings=[], conditional_put=True)


def _tried(archive: Archive, prover: LockProver) -> Trial:
    now = archive.clock.now().replace(microsecond=0)
    rules = prover.rules()
    longest = archive.evidence_until() - now
    attacks = attack_lock(
        archive.store, prover, now, locks_by_default=rules.default_retention is not None
    )
    verdict: Verdict = "proven"
    if broken(attacks):
        verdict = "failed"
    elif undecided(attacks):
        verdict = "inconclusive"
    if "put" not in broken(attacks):  # without a lock the store takes no object of ours
        attacks.append(race(archive.store, now))
    return Trial(
        verdict=verdict,
        attacks=attacks,
        findings=findings(rules, longest.days),
        conditional_put=any((one.attack, one.outcome) == (RACE, "honoured") for one in attacks),
    )


def _stored(
    archive: Archive, trial: Trial, verdict: Literal["proven", "failed", "advisory"]
) -> Trial:
    """Store the proof under the next free number."""
    latest = latest_proof(archive)
    number = latest.document.number + 1 if latest else 1
    while True:
        key = layout.proof_key(number)
        proof = LockProof(
            archive=archive.id,
            number=number,
            created_at=archive.clock.now(),
            store=archive.settings.description,
            lock=archive.lock.value,
            verdict=verdict,
            worm=verdict == "proven",
            conditional_put=trial.conditional_put,
            attacks=list(trial.attacks),
            findings=list(trial.findings),
        )
        try:
            stored, content = archive.put_document(
                key, proof, "lock-proof", retain_until=archive.evidence_until()
            )
        except AlreadyStoredError:
            number += 1  # another proof's, or somebody's rubbish
            continue
        except LockNotHonouredError:
            if verdict == "failed":
                return trial  # that is what it says; it may lie there without a lock
            raise
        signed = SignedDocument(
            document=proof, version_id=stored.version_id, sha256=sha256(content).hexdigest()
        )
        return Trial(
            verdict=trial.verdict,
            attacks=trial.attacks,
            findings=trial.findings,
            conditional_put=trial.conditional_put,
            proof=signed,
        )


# --- resting on one -----------------------------------------------------------------------------


def latest_proof(archive: Archive) -> SignedDocument[LockProof] | None:
    """Return the proof with the highest number that verifies, None if there is none.

    What does not verify is passed over: whoever may write to the bucket must not be able to
    stop nights with a file. `verify` reports it.

    Raises:
        StoreError: The store did not answer.
    """
    versions = [
        version
        for version in archive.store.list_versions(layout.NUMBERED_PROOFS)
        if not version.is_delete_marker and layout.proof_number(version.key)
    ]
    # Listed by key, newest first: from the end come the highest numbers, each oldest first.
    return next(_verified(archive, reversed(versions)), None)


def _verified(
    archive: Archive, versions: Iterator[VersionEntry]
) -> Iterator[SignedDocument[LockProof]]:
    for version in versions:
        content = document_bytes(archive.store, version)
        try:
            proof = archive.verify(
                content, "lock-proof", LockProof, version.key, version.written_at
            )
        except TamperedError:
            continue
        if (proof.archive, layout.proof_key(proof.number)) == (archive.id, version.key):
            yield SignedDocument(
                document=proof,
                version_id=version.version_id,
                sha256=sha256(content).hexdigest(),
            )


def judge_proof(
    proof: LockProof | None, *, now: datetime, store: str, fenced: bool = False
) -> Proven | Stale | Refused:
    """Return whether a night may rest on a proof.

    Args:
        proof: The latest one.
        now: Aware.
        store: How the store describes itself. A proof speaks of one bucket and prefix; the
            address at which they were reached may change.
        fenced: Something else than the store keeps two runs apart.
    """
    if objection := _objection(proof, now, store):
        return Refused(LockNotProvenError(detail=objection))
    if proof is None or not (proof.conditional_put or fenced):
        return Refused(NoFenceError())
    age = now - proof.created_at
    return Stale(LockProofOldError(days=age.days)) if age > FRESH else Proven()


def require_proof(
    archive: Archive, latest: SignedDocument[LockProof] | None, *, fenced: bool = False
) -> LockProofOldError | None:
    """Refuse to seal where the latest proof does not show that the lock holds.

    Args:
        archive: Opened.
        latest: Its latest proof.
        fenced: Something else than the store keeps two runs apart.

    Returns:
        The alarm to raise beside the work, if the proof is getting old.

    Raises:
        LockNotProvenError: There is no proof, a failed one, or one that is too old.
        NoFenceError: Nothing keeps two runs apart.
    """
    if not archive.settings.worm:
        return None
    judged = judge_proof(
        latest.document if latest else None,
        now=archive.clock.now(),
        store=archive.settings.description,
        fenced=fenced,
    )
    match judged:
        case Refused(error):
            raise error
        case Stale(alarm):
            return alarm
        case Proven():
            return None


def _objection(proof: LockProof | None, now: datetime, store: str) -> Said | None:
    """Return why a proof shows nothing about the lock, None if it does."""
    if proof is None:
        return Said("there is no proof yet", "尚无证明")
    number = proof.number
    if _place(proof.store) != _place(store):
        return Said(f"proof {number} is of {proof.store}", f"第 {number} 号证明属于 {proof.store}")
    if not proof.worm:
        attacks = ", ".join(broken(proof.attacks)) or proof.verdict
        return Said(f"proof {number} failed: {attacks}", f"第 {number} 号证明未通过：{attacks}")
    if proof.created_at - now > MAX_CLOCK_SKEW:
        day = f"{proof.created_at:%Y-%m-%d}"
        return Said(
            f"proof {number} is of {day}, in the future", f"第 {number} 号证明的日期 {day} 在未来"
        )
    if now - proof.created_at > USABLE:
        days = (now - proof.created_at).days
        return Said(f"proof {number} is {days} days old", f"第 {number} 号证明已过去 {days} 天")
    return None


def _place(store: str) -> str:
    """Return `s3://bucket/prefix/` without the endpoint."""
    return store.partition(" at ")[0]
