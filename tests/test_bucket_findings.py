"""What a bucket's settings mean, each by its code."""

import json
from typing import Any

import pytest

from archiver.bucket_findings import findings
from archiver.ports import BucketRules, DefaultRetention, LifecycleRule

LONGEST = 6 * 365 + 12
TIDY = LifecycleRule(name="uploads", aborts_uploads=True)


def found(**settings: Any) -> list[tuple[str, str]]:  # noqa: ANN401  of several types
    """Return codes and details of a bucket's findings."""
    rules = BucketRules(**{"versioning": True, "lifecycle": [TIDY], **settings})
    return [(one.code, one.detail) for one in findings(rules, LONGEST)]


def policy(**statement: object) -> str:
    """Return a policy of one statement."""
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", **statement}]})


def test_of_a_bucket_made_for_an_archive_there_is_nothing_to_say() -> None:
    assert found() == []


def test_suspended_versioning_is_the_gravest() -> None:
    rules = BucketRules(versioning=False, encryption="aws:kms")

    said = findings(rules, LONGEST)

    assert [(one.code, one.severity) for one in said] == [
        ("versioning-suspended", "alarm"),
        ("encryption-key-can-be-lost", "warning"),
        ("uploads-never-aborted", "note"),
    ]


@pytest.mark.parametrize(
    ("days", "code"),
    [
        (1, "default-lock"),
        (LONGEST + 31, "default-lock"),
        (LONGEST + 32, "default-lock-overlong"),
        (36_500, "default-lock-overlong"),
    ],
)
def test_a_default_lock_is_told_and_an_overlong_one_is_a_warning(days: int, code: str) -> None:
    lock = DefaultRetention(mode="COMPLIANCE", days=days)

    assert found(default_retention=lock) == [(code, f"COMPLIANCE {days} d")]


def test_what_life_cycle_rules_do_to_the_archive_is_told() -> None:
    rule = LifecycleRule(
        name="all",
        expires=True,
        expires_noncurrent=True,
        storage_classes=["DEEP_ARCHIVE", "STANDARD_IA"],
        aborts_uploads=True,
    )

    assert found(lifecycle=[rule]) == [
        ("lifecycle-hides", "all"),
        ("lifecycle-deletes", "all"),
        ("lifecycle-puts-to-sleep", "all: DEEP_ARCHIVE"),
        ("lifecycle-moves", "all: STANDARD_IA"),
    ]


def test_uploads_that_are_never_removed_are_noted_unless_nobody_may_know() -> None:
    assert found(lifecycle=[]) == [("uploads-never-aborted", "")]
    assert found(lifecycle=[], unreadable={"lifecycle": "AccessDenied"}) == [
        ("unreadable-setting", "lifecycle: AccessDenied")
    ]


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["arn:aws:iam::1:root", "*"]}])
def test_a_policy_that_lets_anybody_in_is_an_alarm(principal: object) -> None:
    assert found(policy=policy(Principal=principal)) == [("policy-public", "")]


@pytest.mark.parametrize(
    "text",
    [
        policy(Principal={"AWS": "arn:aws:iam::1:root"}),
        policy(Principal="*", Effect="Deny"),
        policy(Principal="*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        policy(Principal={"Service": "logging.s3.amazonaws.com"}),
        json.dumps({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}}),
    ],
)
def test_any_other_policy_is_noted(text: str) -> None:
    assert found(policy=text) == [("policy", "")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Statement": [1]}', '{"Statement": 1}'])
def test_a_policy_that_is_none_is_noted(text: str) -> None:
    assert found(policy=text) == [("policy-not-understood", "")]


def test_encryption_without_a_key_service_is_no_worry() -> None:
    assert found(encryption="AES256") == []
    assert found(encryption="aws:kms:dsse alias/shop") == [
        ("encryption-key-can-be-lost", "aws:kms:dsse alias/shop")
    ]
