"""A root's seed sealed by AWS KMS, with archive and role in the encryption context.

Responsible for the bytes of `RootProtection` of kind `aws-kms`, and for sorting what AWS
answers: refused, or ask again later. The seed leaves this process only under TLS.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from archiver.errors import KeyServiceError, KeyUnavailableError, Said
from archiver.roots.specs import ROOT_KEYS, KmsRoot, RootName
from schemas.documents import RootProtection

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

KmsClients = Callable[[KmsRoot], "KMSClient"]
"""Makes the client for a key; called only when there is something to ask."""

_TIMEOUT_SECONDS: Final = 10
_SERVER_ERROR: Final = 500
_TRY_LATER: Final = frozenset({"LimitExceededException", "Throttling", "ThrottlingException"})
"""What AWS KMS answers below 500 and means to be transient."""


def kms_client(spec: KmsRoot) -> "KMSClient":
    """Return a client for the region of the key's ARN, else the AWS chain's."""
    import boto3
    from botocore.config import Config

    region = spec.key_id.split(":")[3] if spec.key_id.startswith("arn:") else None
    config = Config(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"mode": "standard"},
    )
    return boto3.client("kms", region_name=region, config=config)


def seal_seed(
    spec: KmsRoot, seed: bytes, archive: str, role: RootName, *, kms: KmsClients
) -> RootProtection:
    """Return `seed` sealed by the key, for this archive and role only.

    Raises:
        KeyUnavailableError: AWS KMS refuses.
        KeyServiceError: AWS KMS did not answer.
    """
    with _sorted_errors(spec, role):
        answer = kms(spec).encrypt(
            KeyId=spec.key_id, Plaintext=seed, EncryptionContext=_context(archive, role)
        )
    # The answer's key is recorded, not the alias, which may be turned to another key.
    return RootProtection(
        kind="aws-kms",
        sealed=base64.b64encode(answer["CiphertextBlob"]).decode(),
        key_id=answer["KeyId"],
    )


def open_seed(
    spec: KmsRoot, protection: RootProtection, archive: str, role: RootName, *, kms: KmsClients
) -> bytes:
    """Return what was sealed; the caller checks that it is the archive's root.

    Raises:
        KeyUnavailableError: AWS KMS refuses: no right, another archive or role, altered.
        KeyServiceError: AWS KMS did not answer.
    """
    with _sorted_errors(spec, role):
        # No KeyId: the ciphertext names its key, and the replica of a multi-region key in
        # another region opens it as well, which is what recovery needs.
        return kms(spec).decrypt(
            CiphertextBlob=base64.b64decode(protection.sealed or ""),
            EncryptionContext=_context(archive, role),
        )["Plaintext"]


def resolved_key(spec: KmsRoot, role: RootName, *, kms: KmsClients) -> str:
    """Return the id behind an alias or ARN; replicas of a multi-region key share it.

    Raises:
        KeyUnavailableError: AWS KMS refuses.
        KeyServiceError: AWS KMS did not answer.
    """
    with _sorted_errors(spec, role):
        return kms(spec).describe_key(KeyId=spec.key_id)["KeyMetadata"]["KeyId"]


def _context(archive: str, role: RootName) -> dict[str, str]:
    return {"archive": archive, "role": role}


@contextmanager
def _sorted_errors(spec: KmsRoot, role: RootName) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnectionError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in _TRY_LATER or status >= _SERVER_ERROR:
            raise KeyServiceError(key=ROOT_KEYS[role], detail=f"{spec}: {code}") from None
        raise KeyUnavailableError(
            key=ROOT_KEYS[role], detail=Said(f"{spec} refuses: {code}", f"{spec} 拒绝：{code}")
        ) from None
    except (NoConnectionError, HTTPClientError) as error:
        detail = f"{spec}: {type(error).__name__}"
        raise KeyServiceError(key=ROOT_KEYS[role], detail=detail) from None
    except BotoCoreError as error:
        # No credentials, no region, a malformed key id: nothing was sent.
        detail = f"{spec}: {type(error).__name__}"
        raise KeyUnavailableError(key=ROOT_KEYS[role], detail=detail) from None
