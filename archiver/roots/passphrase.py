"""A root's seed under a passphrase: argon2id (RFC 9106), then AES-256-GCM (FORMAT.md 4).

Responsible for the bytes of `RootProtection` of kind `passphrase`. What they cost to guess
stands beside them, so a later release may ask for more without losing old archives.
"""

import base64
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from archiver.errors import KeyUnavailableError, Said
from archiver.keyring import binding
from archiver.roots.specs import ROOT_KEYS, PassphraseRoot, RootName
from schemas.documents import RootProtection

MIN_CHARACTERS: Final = 8
"""NIST SP 800-63B, 5.1.1.1. Whoever can read `archive.json` may guess, so longer is better."""
_KEY_SIZE: Final = 32
_SALT_SIZE: Final = 16
_NONCE_SIZE: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseCost:
    """What one guess costs: half a second of two cores and 256 MiB.

    RFC 9106's second recommendation has 64 MiB; a root is opened seldom and kept for years.
    """

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 256 * 1024


def seal_seed(
    spec: PassphraseRoot,
    seed: bytes,
    archive: str,
    role: RootName,
    *,
    environment: Mapping[str, str],
    cost: PassphraseCost,
) -> RootProtection:
    """Return `seed` sealed under the passphrase, for this archive and role only.

    Raises:
        KeyUnavailableError: The variable is not set or too short.
    """
    passphrase = _required(spec, environment, role)
    if len(environment[spec.variable]) < MIN_CHARACTERS:
        raise KeyUnavailableError(
            key=ROOT_KEYS[role],
            detail=Said(
                f"${spec.variable} must have at least {MIN_CHARACTERS} characters",
                f"${spec.variable} 至少须有 {MIN_CHARACTERS} 个字符",
            ),
        )
    salt, nonce = os.urandom(_SALT_SIZE), os.urandom(_NONCE_SIZE)
    key = _argon2id(passphrase, salt, cost)
    sealed = nonce + AESGCM(key).encrypt(nonce, seed, binding("root", archive, role))
    return RootProtection(
        kind="passphrase",
        sealed=base64.b64encode(sealed).decode(),
        salt=base64.b64encode(salt).decode(),
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_kib=cost.memory_kib,
    )


def open_seed(
    spec: PassphraseRoot,
    protection: RootProtection,
    archive: str,
    role: RootName,
    *,
    environment: Mapping[str, str],
) -> bytes:
    """Return the seed.

    Raises:
        KeyUnavailableError: No passphrase or the wrong one, another archive or role, or
            altered bytes: these cannot be told apart.
    """
    passphrase = _required(spec, environment, role)
    cost = PassphraseCost(
        iterations=protection.iterations or 0,
        lanes=protection.lanes or 0,
        memory_kib=protection.memory_kib or 0,
    )
    try:
        key = _argon2id(passphrase, base64.b64decode(protection.salt or ""), cost)
        sealed = base64.b64decode(protection.sealed or "")
        nonce, ciphertext = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        return AESGCM(key).decrypt(nonce, ciphertext, binding("root", archive, role))
    except (InvalidTag, ValueError):
        raise KeyUnavailableError(
            key=ROOT_KEYS[role],
            detail=Said(
                f"the passphrase in ${spec.variable} does not open this archive's {role} "
                "root; set the one given at init",
                f"${spec.variable} 中的口令打不开此档案库的{ROOT_KEYS[role].zh}密钥；"
                "请设为初始化时所用的口令",
            ),
        ) from None


def normal_passphrase(spec: PassphraseRoot, environment: Mapping[str, str]) -> bytes:
    """Return the passphrase's bytes, empty if the variable is not set.

    The UTF-8 of the NFC form: keyboards differ in how they compose a letter (RFC 8265, 4.2.2).
    """
    text = unicodedata.normalize("NFC", environment.get(spec.variable, ""))
    # An environment may hold any bytes, and Python's error about them would quote them.
    return text.encode(errors="surrogateescape")


def _required(spec: PassphraseRoot, environment: Mapping[str, str], role: RootName) -> bytes:
    passphrase = normal_passphrase(spec, environment)
    if not passphrase:
        raise KeyUnavailableError(
            key=ROOT_KEYS[role],
            detail=Said(
                f"the environment variable {spec.variable} with its passphrase is empty",
                f"存放其口令的环境变量 {spec.variable} 为空",
            ),
        )
    return passphrase


def _argon2id(passphrase: bytes, salt: bytes, cost: PassphraseCost) -> bytes:
    return Argon2id(
        salt=salt,
        length=_KEY_SIZE,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(passphrase)
