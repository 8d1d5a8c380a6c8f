"""The bucket's settings, compared with what they were when the lock was last proven.

A rule that a signed proof already tells of is a warning, as there; one that has come since is
somebody's act and an alarm.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from archiver.bucket_findings import findings as bucket_findings
from archiver.clocks import MAX_CLOCK_SKEW
from archiver.lockproof import Proven, Refused, Stale, judge_proof
from archiver.ports import BucketRules, StoreSettings
from archiver.verification.findings import Finding, found
from schemas.documents import LockFinding, LockProof

_WATCHED: Final = frozenset(
    {
        "default-lock-overlong",
        "encryption-key-can-be-lost",
        "lifecycle-deletes",
        "lifecycle-hides",
        "lifecycle-puts-to-sleep",
    }
)


def of_settings(
    settings: StoreSettings,
    rules: BucketRules | None,
    proof: LockProof | None,
    *,
    now: datetime,
    longest_days: int,
) -> Iterator[Finding]:
    """Yield what the store's settings put at risk.

    Args:
        settings: What the store says about itself.
        rules: The bucket's rules; None for a folder.
        proof: The last lock proof.
        now: This host's clock.
        longest_days: How long the archive itself locks at most.
    """
    skew = now - settings.server_time if settings.server_time else None
    if skew is not None and abs(skew) > MAX_CLOCK_SKEW:
        yield found("clock", seconds=round(abs(skew).total_seconds()))
    if not settings.versioning:
        yield found("versioning-suspended")
    if settings.claims_lock and not settings.object_lock:
        yield found("object-lock-off")
    if rules is not None:
        before = {(one.code, one.detail) for one in proof.findings} if proof else set()
        for one in bucket_findings(rules, longest_days):
            if one.code != "versioning-suspended" or settings.versioning:
                yield _of_rule(one, before, known=proof is not None)


def _of_rule(one: LockFinding, before: Collection[tuple[str, str]], *, known: bool) -> Finding:
    changed = known and one.code in _WATCHED and (one.code, one.detail) not in before
    severity = "alarm" if changed else one.severity
    return found(one.code, severity=severity, detail=one.detail)


def of_proof(
    settings: StoreSettings, proof: LockProof | None, now: datetime, *, fenced: bool
) -> Iterator[Finding]:
    """Yield whether the lock is still proven; of a folder, which claims none, nothing."""
    if not settings.claims_lock:
        return
    match judge_proof(proof, now=now, store=settings.description, fenced=fenced):
        case Refused(error):
            detail = error.params.get("detail", str(error))
            yield found("lock-not-proven", detail=detail)
        case Stale(alarm):
            yield found("lock-proof-old", days=alarm.params["days"])
        case Proven():
            pass
