"""Lock proofs on a real server, through a proxy that lies, and on one that gives way."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from archiver.errors import StoreAccessError, StoreError
from archiver.lock_attacks import attack_lock, race
from archiver.ports import DefaultRetention
from archiver.stores.s3 import S3Store, open_s3
from archiver.stores.s3_attacks import S3Attacks
from archiver.stores.s3_bucket import Login, open_bucket
from archiver.stores.s3_rules import read_rules
from schemas.documents import LockAttack
from tests.lock_outcomes import HELD, REFUSED, outcomes
from tests.servers.proxy import (
    DROP_IF_NONE_MATCH,
    DROP_LOCKS,
    LoseReply,
    Refuse,
    S3Proxy,
    request,
)
from tests.servers.seaweedfs import SECRET_KEY, S3Bucket, SeaweedFS
from tests.stores.conftest import QUICK, OpenStore

NOW = datetime.now(UTC).replace(microsecond=0)
DENY = Refuse(403, "AccessDenied")


def attacked(store: S3Store, *, default: bool = False) -> list[LockAttack]:
    return attack_lock(store, S3Attacks(store._bucket), NOW, locks_by_default=default)


@pytest.fixture
def honest(s3_bucket: S3Bucket, open_store: OpenStore) -> S3Store:
    return open_store(s3_bucket)


@pytest.fixture
def lying(s3_proxy: S3Proxy, open_store: OpenStore) -> S3Store:
    return open_store(s3_proxy.bucket)


# --- a server that locks ------------------------------------------------------------------------


def test_a_real_server_holds_against_everything(honest: S3Store) -> None:
    attacks = attacked(honest)

    assert outcomes(attacks) == HELD
    codes = {one.attack: one.code for one in attacks}
    assert {codes[name] for name in REFUSED[:4]} == {"AccessDenied"}
    assert all(codes[name] for name in REFUSED)
    assert race(honest, NOW).outcome == "honoured"
    left = list(honest.list_versions(""))
    assert all(entry.key.startswith("proofs/canary/") for entry in left)
    assert not any(entry.is_delete_marker for entry in left)
    assert {honest.head(entry.key, entry.version_id).mode for entry in left} == {"COMPLIANCE"}


def test_no_plain_object_is_put_where_the_bucket_locks_by_default(
    s3_proxy: S3Proxy, lying: S3Store
) -> None:
    assert outcomes(attacked(lying, default=True)) == HELD

    puts = [
        one for one in s3_proxy.requests if one.method == "PUT" and "retention" not in one.query
    ]
    in_parts = [one for one in puts if "partNumber" in one.query]
    assert all("x-amz-object-lock-mode" in one.headers for one in puts if one not in in_parts)


def test_lost_replies_change_nothing_about_the_result(s3_proxy: S3Proxy, lying: S3Store) -> None:
    for method, query in (("DELETE", None), ("POST", "delete"), ("PUT", "retention")):
        s3_proxy.lie(LoseReply(), when=request(method, query=query), times=1)

    assert outcomes(attacked(lying)) == HELD


def test_a_server_that_does_not_answer_proves_and_refutes_nothing(
    s3_proxy: S3Proxy, lying: S3Store
) -> None:
    s3_proxy.lie(Refuse(), when=request("PUT", query="retention"))

    with pytest.raises(StoreError):
        attacked(lying)


# --- servers that lie ---------------------------------------------------------------------------


def test_dropped_lock_headers_are_found_at_once(s3_proxy: S3Proxy, lying: S3Store) -> None:
    s3_proxy.lie(DROP_LOCKS)

    (only,) = attacked(lying)

    assert (only.attack, only.outcome) == ("put", "allowed")
    assert "missing" in only.detail
    assert s3_proxy.count("DELETE") == 0


def test_a_race_with_many_winners_is_found(s3_proxy: S3Proxy, lying: S3Store) -> None:
    s3_proxy.lie(DROP_IF_NONE_MATCH)

    lost = race(lying, NOW)

    assert (lost.outcome, lost.detail) == ("allowed", "8 of 8 writers won, 8 versions")


def test_a_multipart_upload_whose_lock_was_dropped_is_repaired(
    s3_proxy: S3Proxy, lying: S3Store
) -> None:
    s3_proxy.lie(DROP_LOCKS, when=request("POST", query="uploads"))

    assert outcomes(attacked(lying)) == {**HELD, "multipart": "repaired"}


def test_a_multipart_upload_that_cannot_be_locked_is_found(
    s3_proxy: S3Proxy, lying: S3Store
) -> None:
    s3_proxy.lie(DROP_LOCKS, when=request("POST", query="uploads"))
    s3_proxy.lie(Refuse(501, "NotImplemented"), when=request("PUT", query="retention"))

    found = outcomes(attacked(lying))

    always = dict.fromkeys(REFUSED[4:], "refused-always")
    assert found == {**HELD, **always, "multipart": "allowed"}


# --- credentials --------------------------------------------------------------------------------


def test_credentials_that_may_not_delete_are_told_from_a_lock(
    s3_proxy: S3Proxy, lying: S3Store
) -> None:
    s3_proxy.lie(DENY, when=request("DELETE"))
    s3_proxy.lie(DENY, when=request("POST", query="delete"))

    found = outcomes(attacked(lying))

    silenced = (*REFUSED[:4], "delete-marker")
    assert found == {**HELD, **dict.fromkeys(silenced, "refused-by-permission")}


def test_credentials_that_may_only_write_and_read_are_told_from_a_lock(
    s3_proxy: S3Proxy, lying: S3Store
) -> None:
    for when in (
        request("DELETE"),
        request("POST", query="delete"),
        request("PUT", query="retention"),
    ):
        s3_proxy.lie(DENY, when=when)

    found = outcomes(attacked(lying))

    silenced = (*REFUSED, "delete-marker")
    assert found == {**HELD, **dict.fromkeys(silenced, "refused-by-permission")}


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_credentials_of_the_prover_are_no_proof_of_a_lock(
    s3_bucket: S3Bucket, honest: S3Store, wrong: str
) -> None:
    keys = {"access_key": s3_bucket.access_key, "secret_key": s3_bucket.secret_key}
    login = Login(**{**keys, wrong: "canary-wrong-4471"})
    bucket = open_bucket(s3_bucket.url, s3_bucket.endpoint, s3_bucket.region, QUICK, login)

    with pytest.raises(StoreAccessError) as caught:
        attack_lock(honest, S3Attacks(bucket), NOW, locks_by_default=False)

    said = f"{caught.value} {login!r}"
    assert SECRET_KEY not in said
    assert "canary-wrong" not in said


def test_the_prover_may_have_credentials_of_its_own(
    s3_bucket: S3Bucket, honest: S3Store, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in s3_bucket.environment:
        monkeypatch.delenv(name)
    login = Login(access_key=s3_bucket.access_key, secret_key=s3_bucket.secret_key)
    url = f"{s3_bucket.url}/{prefix}"
    bucket = open_bucket(url, s3_bucket.endpoint, s3_bucket.region, QUICK, login)

    attacks = attack_lock(honest, S3Attacks(bucket), NOW, locks_by_default=False)

    assert outcomes(attacks) == HELD


def test_an_unknown_profile_is_to_be_put_right(s3_bucket: S3Bucket) -> None:
    login = Login(profile="nobody")

    with pytest.raises(StoreAccessError, match="nobody"):
        open_bucket(s3_bucket.url, s3_bucket.endpoint, s3_bucket.region, QUICK, login)


# --- settings -----------------------------------------------------------------------------------


def test_settings_of_a_fresh_bucket_say_nothing(honest: S3Store) -> None:
    rules = S3Attacks(honest._bucket).rules()

    assert rules.versioning
    assert rules.default_retention is None
    assert (list(rules.lifecycle), rules.policy, rules.encryption) == ([], None, None)
    assert rules.unreadable == {}


def test_settings_are_read_as_they_are(seaweedfs: SeaweedFS, open_store: OpenStore) -> None:
    place = seaweedfs.new_bucket()
    s3 = place.client()
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{place.name}/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket=place.name, Policy=json.dumps(policy))
    s3.put_object_lock_configuration(
        Bucket=place.name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 10}},
        },
    )
    store = open_store(place)

    rules = read_rules(store._bucket)

    assert rules.default_retention == DefaultRetention(mode="COMPLIANCE", days=3660)
    assert json.loads(rules.policy or "") == policy


def test_settings_that_may_not_be_read_are_told_and_no_reason_to_stop(
    s3_proxy: S3Proxy, lying: S3Store
) -> None:
    for setting in ("policy", "lifecycle", "encryption", "object-lock", "versioning"):
        s3_proxy.lie(DENY, when=request("GET", query=setting))

    rules = read_rules(lying._bucket)

    assert rules.versioning
    assert rules.unreadable == dict.fromkeys(
        ("policy", "lifecycle", "encryption", "object-lock", "versioning"), "AccessDenied"
    )


def test_settings_without_an_answer_are_an_outage(s3_proxy: S3Proxy, lying: S3Store) -> None:
    s3_proxy.lie(Refuse(), when=request("GET", query="policy"))

    with pytest.raises(StoreError):
        read_rules(lying._bucket)


# --- a server that gives way --------------------------------------------------------------------


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """A bucket of moto, in this process: it lets locks be shortened, cleared and downgraded."""
    for name, value in S3Bucket(name="", endpoint="").environment.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="moto", ObjectLockEnabledForBucket=True)
        yield open_s3("s3://moto/vault", None, "us-east-1", patience=QUICK)


def test_a_server_that_lets_locks_be_shortened_is_found_in_each_way(lenient: S3Store) -> None:
    attacks = attacked(lenient)

    gave_way = {one.attack for one in attacks if one.outcome == "allowed"}
    assert gave_way >= {*REFUSED[4:], "past-date"}
    assert not gave_way & set(REFUSED[:4])


def test_life_cycle_and_encryption_are_read(lenient: S3Store) -> None:
    s3 = boto3.client("s3")
    s3.put_bucket_lifecycle_configuration(
        Bucket="moto",
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "all",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "Expiration": {"Days": 30},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                    "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}],
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                },
                {
                    "ID": "off",
                    "Status": "Disabled",
                    "Filter": {"Prefix": ""},
                    "Expiration": {"Days": 1},
                },
                {
                    "ID": "other",
                    "Status": "Enabled",
                    "Filter": {"Prefix": "x/"},
                    "Expiration": {"Days": 1},
                },
            ]
        },
    )
    s3.put_bucket_encryption(
        Bucket="moto",
        ServerSideEncryptionConfiguration={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {
                        "SSEAlgorithm": "aws:kms",
                        "KMSMasterKeyID": "alias/shop",
                    }
                }
            ]
        },
    )
    s3.put_bucket_versioning(Bucket="moto", VersioningConfiguration={"Status": "Suspended"})

    rules = read_rules(lenient._bucket)

    (rule,) = rules.lifecycle
    assert (rule.name, rule.expires, rule.expires_noncurrent) == ("all", True, True)
    assert (list(rule.storage_classes), rule.aborts_uploads) == (["GLACIER"], True)
    assert rules.encryption == "aws:kms alias/shop"
    assert not rules.versioning
    elsewhere = replace(lenient._bucket, prefix="x/vault/")
    assert [one.name for one in read_rules(elsewhere).lifecycle] == ["all", "other"]
