"""Keys below the roots: cohorts and the key-encryption keys of partitions (FORMAT.md 4).

Responsible for sealing keys to public halves and for opening them again. Relies on HPKE (RFC
9180) with ML-KEM-768 + X25519, HKDF-SHA-256 and AES-256-GCM. A night needs only what is
public here: nothing in this module reads a key file.
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from archiver.errors import KeyUnavailableError, Said
from schemas.documents import Cohort, CohortKey, Root, SealedObject

KeyName = Literal["base", "reveal", "index"]

KEK_SIZE: Final = 32
MLKEM_SEED_SIZE: Final = 64
SEED_SIZE: Final = 96
"""64 bytes of ML-KEM-768 (FIPS 203: d and z), then 32 of X25519."""
_MLKEM_PUBLIC_SIZE: Final = 1184
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

ROOT_OF: Final[Mapping[KeyName, Literal["base", "reveal"]]] = {
    "base": "base",
    "index": "base",
    "reveal": "reveal",
}
"""Which root opens which key pair of a cohort."""

KEYS: Final[Mapping[str, Said]] = {
    "root": Said("root", "根"),
    "base": Said("base", "基础"),
    "reveal": Said("reveal", "卡密"),
    "index": Said("index", "索引"),
    "identity": Said("identity", "身份"),
    "signer": Said("signer", "签名"),
    "token": Said("token", "令牌"),
    "operators": Said("operators", "操作员"),
}
"""What keys are called in errors, before the word "key"."""

_SEALED: Final = {
    "archiver/v1/cohort": "到期批次",
    "archiver/v1/kek": "密钥加密",
    "archiver/v1/token-key": "令牌",
}
"""The same for what was sealed, by its purpose; English repeats the purpose itself."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An HPKE key pair, kept as its seed."""

    seed: bytes

    @classmethod
    def generate(cls) -> Self:
        """Return a new pair from the operating system's randomness."""
        return cls(os.urandom(SEED_SIZE))

    @property
    def public_key(self) -> bytes:
        """The public half: 1,184 bytes of ML-KEM-768, then 32 of X25519."""
        mlkem, x25519 = self._halves()
        return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what was sealed to the public half under the same `info`.

        Raises:
            KeyUnavailableError: Sealed to another key or for another purpose, or altered.
        """
        try:
            return _SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(*self._halves()), info)
        except (InvalidTag, ValueError):
            purpose = info.split(b"\0")[0].decode()
            raise KeyUnavailableError(
                key=Said(purpose, _SEALED.get(purpose, purpose)),
                detail=Said(
                    "it was sealed to another key or was altered",
                    "它由另一密钥密封，或已被改动",
                ),
            ) from None

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        return (
            MLKEM768PrivateKey.from_seed_bytes(self.seed[:MLKEM_SEED_SIZE]),
            X25519PrivateKey.from_private_bytes(self.seed[MLKEM_SEED_SIZE:]),
        )

    def __repr__(self) -> str:
        """Never show the seed, not even in a traceback."""
        return "KeyPair(…)"


def seal(public_key: bytes, secret: bytes, info: bytes) -> bytes:
    """Seal `secret` to a public half; only its seed opens it, for the same `info`.

    Returns:
        Encapsulation and ciphertext, 1,136 bytes longer than `secret`.
    """
    public = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public_key[:_MLKEM_PUBLIC_SIZE]),
        X25519PublicKey.from_public_bytes(public_key[_MLKEM_PUBLIC_SIZE:]),
    )
    return _SUITE.encrypt(secret, public, info)


def public_half(root: Root | CohortKey) -> bytes:
    """Return the raw public half that a document carries."""
    return base64.b64decode(root.public_key)


def binding(purpose: str, *parts: str) -> bytes:
    """Return the HPKE `info` that binds a sealed key to its place."""
    return "\0".join((f"archiver/v1/{purpose}", *parts)).encode()


def new_cohort(
    archive: str, cohort: str, roots: Mapping[Literal["base", "reveal"], bytes], now: datetime
) -> Cohort:
    """Return the document of a fresh cohort; its private halves survive sealed only.

    Args:
        archive: The archive's id.
        cohort: The cohort's id.
        roots: The roots' public halves.
        now: When it is created.
    """
    keys: dict[KeyName, CohortKey] = {}
    for name, root in ROOT_OF.items():
        pair = KeyPair.generate()
        sealed = seal(roots[root], pair.seed, binding("cohort", archive, name, cohort))
        keys[name] = CohortKey(
            public_key=base64.b64encode(pair.public_key).decode(),
            sealed_seed=base64.b64encode(sealed).decode(),
        )
    return Cohort(archive=archive, cohort=cohort, created_at=now, keys=keys)


def open_cohort_key(cohort: Cohort, name: KeyName, root: KeyPair) -> KeyPair:
    """Return a cohort's key pair, opened by the private half of its root.

    Raises:
        KeyUnavailableError: The wrong root.
    """
    sealed = base64.b64decode(cohort.keys[name].sealed_seed)
    return KeyPair(root.open(sealed, binding("cohort", cohort.archive, name, cohort.cohort)))


def seal_kek(cohort: Cohort, name: KeyName, kek: bytes, object_key: str) -> str:
    """Return `kek` sealed to a cohort for one object, in base64, as a manifest carries it."""
    info = binding("kek", cohort.archive, name, object_key)
    return base64.b64encode(seal(public_half(cohort.keys[name]), kek, info)).decode()


def open_kek(cohort: Cohort, name: KeyName, pair: KeyPair, stored: SealedObject) -> bytes:
    """Return the KEK of a stored object.

    Args:
        cohort: The cohort that the object belongs to.
        name: Which of its keys.
        pair: That key's pair, opened.
        stored: The object, as its manifest names it.

    Raises:
        KeyUnavailableError: The wrong pair, or the object has no such key.
    """
    if name not in stored.keys:
        raise KeyUnavailableError(
            key=KEYS[name], detail=Said(f"{stored.key} has none", f"{stored.key} 没有该密钥")
        )
    return pair.open(
        base64.b64decode(stored.keys[name]), binding("kek", cohort.archive, name, stored.key)
    )
