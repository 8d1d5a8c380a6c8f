"""What a bucket's settings mean for the archive. They are read, never tried.

Pure. Each finding has a fixed code and severity: an `alarm` undoes what the archive is for, a
`warning` will bite one day, a `note` is good to know.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from archiver.ports import BucketRules, LifecycleRule
from schemas.documents import LockFinding

LONGEST_EXTRA_DAYS: Final = 31
"""A default lock may be this much longer than the longest class before it is overlong."""
_ASLEEP: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored for hours before they can be read."""


def findings(rules: BucketRules, longest_days: int) -> list[LockFinding]:
    """Return what there is to say about a bucket, the gravest first.

    Args:
        rules: The settings.
        longest_days: How long the archive itself locks at most.
    """
    found = [
        *_of_versioning(rules),
        *_of_default_lock(rules, longest_days),
        *_of_life_cycle(rules),
        *_of_policy(rules),
        *_of_encryption(rules),
        *(
            LockFinding(code="unreadable-setting", severity="note", detail=f"{name}: {code}")
            for name, code in sorted(rules.unreadable.items())
        ),
    ]
    order = ("alarm", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _of_versioning(rules: BucketRules) -> Iterator[LockFinding]:
    if not rules.versioning:
        yield LockFinding(code="versioning-suspended", severity="alarm")


def _of_default_lock(rules: BucketRules, longest_days: int) -> Iterator[LockFinding]:
    """What others put into the bucket without a date is locked for that long."""
    lock = rules.default_retention
    if lock is None:
        return
    detail = f"{lock.mode} {lock.days} d"
    if lock.days > longest_days + LONGEST_EXTRA_DAYS:
        yield LockFinding(code="default-lock-overlong", severity="warning", detail=detail)
    else:
        yield LockFinding(code="default-lock", severity="note", detail=detail)


def _of_life_cycle(rules: BucketRules) -> Iterator[LockFinding]:
    for rule in rules.lifecycle:
        if rule.expires:
            yield _warning("lifecycle-hides", rule)
        if rule.expires_noncurrent:
            yield _warning("lifecycle-deletes", rule)
        for name in rule.storage_classes:
            asleep = name in _ASLEEP
            yield LockFinding(
                code="lifecycle-puts-to-sleep" if asleep else "lifecycle-moves",
                severity="warning" if asleep else "note",
                detail=f"{rule.name}: {name}",
            )
    aborted = any(rule.aborts_uploads for rule in rules.lifecycle)
    if not aborted and "lifecycle" not in rules.unreadable:
        yield LockFinding(code="uploads-never-aborted", severity="note")


def _of_policy(rules: BucketRules) -> Iterator[LockFinding]:
    if rules.policy is None:
        return
    try:
        public = any(_is_public(statement) for statement in _statements(rules.policy))
    except (ValueError, KeyError, TypeError, AttributeError):
        yield LockFinding(code="policy-not-understood", severity="note")
        return
    if public:
        yield LockFinding(code="policy-public", severity="alarm")
    else:
        yield LockFinding(code="policy", severity="note")


def _of_encryption(rules: BucketRules) -> Iterator[LockFinding]:
    """Object Lock does not protect against the loss of a key in a key service."""
    if rules.encryption is not None and "kms" in rules.encryption:
        yield LockFinding(
            code="encryption-key-can-be-lost", severity="warning", detail=rules.encryption
        )


def _warning(code: str, rule: LifecycleRule) -> LockFinding:
    return LockFinding(code=code, severity="warning", detail=rule.name)


def _statements(policy: str) -> list[dict[str, Any]]:
    statements = json.loads(policy)["Statement"]
    return [statements] if isinstance(statements, dict) else statements


def _is_public(statement: dict[str, Any]) -> bool:
    """Return whether a statement lets anybody in, without a condition."""
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    anybody = named == "*" or (isinstance(named, list) and "*" in named)
    return statement.get("Effect") == "Allow" and anybody and not statement.get("Condition")
