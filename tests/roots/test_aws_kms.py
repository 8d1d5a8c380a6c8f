"""AWS KMS in memory (moto); no network."""

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from moto import mock_aws

from archiver.errors import ConfigurationError, KeyServiceError, KeyUnavailableError
from archiver.roots import (
    KmsRoot,
    create_root,
    kms_client,
    open_root,
    refuse_equal_roots,
)
from schemas.documents import Root

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

ARCHIVE = "0123456789abcdef" * 2
SPEC = KmsRoot("alias/archive")


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> "Iterator[KMSClient]":
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-north-1")
    with mock_aws():
        client = kms_client(SPEC)
        for alias in ("alias/archive", "alias/reveal"):
            key = client.create_key()["KeyMetadata"]
            client.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        yield client


def make(kms: "KMSClient") -> Root:
    return create_root(SPEC, ARCHIVE, "base", environment={}, kms=lambda _spec: kms)


def test_a_root_in_kms_opens_again(kms: "KMSClient") -> None:
    root = make(kms)
    pair = open_root(SPEC, root, ARCHIVE, "base", environment={}, kms=lambda _spec: kms)
    assert base64.b64encode(pair.public_key).decode() == root.public_key
    assert root.protection.key_id is not None
    assert ":key/" in root.protection.key_id


def test_an_alias_turned_to_another_key_does_not_matter(kms: "KMSClient") -> None:
    root = make(kms)
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/archive", TargetKeyId=other)
    assert open_root(SPEC, root, ARCHIVE, "base", environment={}, kms=lambda _spec: kms)


def test_archive_and_role_are_bound(kms: "KMSClient") -> None:
    root = make(kms)
    with pytest.raises(KeyUnavailableError, match="InvalidCiphertext"):
        open_root(SPEC, root, ARCHIVE, "reveal", environment={}, kms=lambda _spec: kms)
    with pytest.raises(KeyUnavailableError, match="InvalidCiphertext"):
        open_root(SPEC, root, "f" * 32, "base", environment={}, kms=lambda _spec: kms)


def test_an_altered_sealed_seed_is_refused(kms: "KMSClient") -> None:
    root = make(kms)
    sealed = bytearray(base64.b64decode(root.protection.sealed or ""))
    for position in range(0, len(sealed), 7):
        flipped = sealed.copy()
        flipped[position] ^= 1
        text = base64.b64encode(flipped).decode()
        altered = root.protection.model_copy(update={"sealed": text})
        with pytest.raises(KeyUnavailableError):
            open_root(
                SPEC,
                root.model_copy(update={"protection": altered}),
                ARCHIVE,
                "base",
                environment={},
                kms=lambda _spec: kms,
            )


def test_something_else_sealed_by_the_same_key_is_refused(kms: "KMSClient") -> None:
    root = make(kms)
    context = {"archive": ARCHIVE, "role": "base"}
    blob = kms.encrypt(KeyId=SPEC.key_id, Plaintext=b"short", EncryptionContext=context)
    text = base64.b64encode(blob["CiphertextBlob"]).decode()
    altered = root.protection.model_copy(update={"sealed": text})
    with pytest.raises(KeyUnavailableError, match="does not hold this archive's base root"):
        open_root(
            SPEC,
            root.model_copy(update={"protection": altered}),
            ARCHIVE,
            "base",
            environment={},
            kms=lambda _spec: kms,
        )


def test_a_key_that_does_not_exist_is_named(kms: "KMSClient") -> None:
    with pytest.raises(KeyUnavailableError, match="alias/none refuses: NotFoundException"):
        create_root(KmsRoot("alias/none"), ARCHIVE, "base", environment={}, kms=lambda _spec: kms)


def test_one_key_by_two_names_is_refused_for_both_roots(kms: "KMSClient") -> None:
    metadata = kms.describe_key(KeyId="alias/archive")["KeyMetadata"]
    kms.create_alias(AliasName="alias/same", TargetKeyId=metadata["KeyId"])
    for name in (metadata["KeyId"], metadata["Arn"], "alias/same"):
        with pytest.raises(ConfigurationError, match="are the same"):
            refuse_equal_roots(SPEC, KmsRoot(name), environment={}, kms=lambda _spec: kms)
    refuse_equal_roots(SPEC, KmsRoot("alias/reveal"), environment={}, kms=lambda _spec: kms)


def test_the_client_is_made_for_the_region_of_the_key() -> None:
    arn = KmsRoot("arn:aws-cn:kms:cn-northwest-1:123456789012:key/mrk-1")
    assert kms_client(arn).meta.region_name == "cn-northwest-1"


class _Failing:
    """A client whose every call ends in `error`."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def encrypt(self, **_arguments: object) -> None:
        raise self._error

    decrypt = encrypt


def _answer(code: str, status: int) -> ClientError:
    error: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, "Decrypt")


@pytest.mark.parametrize(
    "error",
    [
        _answer("ThrottlingException", 400),
        _answer("KMSInternalException", 500),
        _answer("KeyUnavailableException", 500),
        EndpointConnectionError(endpoint_url="here"),
    ],
)
def test_a_service_that_is_down_is_asked_again_later(kms: "KMSClient", error: Exception) -> None:
    root = make(kms)
    failing: Any = _Failing(error)
    with pytest.raises(KeyServiceError):
        open_root(SPEC, root, ARCHIVE, "base", environment={}, kms=lambda _spec: failing)
    with pytest.raises(KeyServiceError):
        create_root(SPEC, ARCHIVE, "base", environment={}, kms=lambda _spec: failing)


@pytest.mark.parametrize("error", [_answer("AccessDeniedException", 400), NoCredentialsError()])
def test_a_refusal_is_for_the_operator_to_mend(kms: "KMSClient", error: Exception) -> None:
    root = make(kms)
    failing: Any = _Failing(error)
    with pytest.raises(KeyUnavailableError, match="aws-kms:alias/archive"):
        open_root(SPEC, root, ARCHIVE, "base", environment={}, kms=lambda _spec: failing)
