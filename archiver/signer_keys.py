"""Signing keys of hosts: a further one, and one that counts no longer.

Responsible for the order of things: the identity key is looked at before anything is made, a new
key is durable before it is certified and takes its place only afterwards, so that a crash leaves a
host with the key that it had, and a second call goes on. What stood in its place is kept.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import keyring, roots
from archiver.archive import Archive
from archiver.errors import KeyUnavailableError, LocalDiskError, RequestError, Said
from archiver.local_files import sync_folder
from archiver.signers import Certified, certify_next, read_signers
from archiver.signers import revoke as store_revocation
from schemas.documents import Revocation, Signer

NEW: Final = ".new"
"""Behind the name of a key that is not certified yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A further signer."""

    signer: Signer
    path: Path
    """Where its private half is."""
    kept: Path | None
    """Where the key is that stood there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who may sign, and with whose key this host does."""

    signers: Mapping[int, Certified]
    here: int | None
    """None where this host holds no certified key."""


def signers_of(archive: Archive, own: Path) -> Standing:
    """Return all signers, and which of them is this host's.

    Raises:
        StoreError: The store did not answer.
    """
    signers = read_signers(archive.store, archive.document)
    return Standing(signers=signers, here=_number_of(own, archive.id, signers))


def add_signer(archive: Archive, identity: Path, path: Path, *, replace: bool) -> Added:
    """Make a signing key and certify it.

    Args:
        archive: Opened.
        identity: The identity key's file.
        path: Where the new key is put.
        replace: Whether a key that stands there may be moved aside.

    Raises:
        KeyUnavailableError: The identity key is not here, or is another archive's.
        RequestError: Something stands at `path`.
        StoreError: Nothing is known; calling again goes on.
    """
    if path.exists() and not replace:
        raise RequestError(
            detail=Said(
                f"{path} exists; --replace moves it aside, --output names another file",
                f"{path} 已存在；--replace 将其移开保留，--output 指定其他文件",
            )
        )
    key = open_identity(archive, identity)
    draft = path.with_name(path.name + NEW)
    if draft.exists():  # of a call that died
        secret = roots.read_secret_file(draft, "signer", archive.id)
    else:
        secret = Ed25519PrivateKey.generate().private_bytes_raw()
        roots.create_secret_file(draft, "signer", archive.id, secret)
    signer = certify_next(
        archive.store,
        archive.document,
        key,
        Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw(),
        now=archive.clock.now(),
        retain_until=archive.evidence_until(),
    )
    kept = None
    try:
        if path.exists():
            signers = read_signers(archive.store, archive.document)
            kept = _free(path, _number_of(path, archive.id, signers))
            path.rename(kept)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise LocalDiskError(detail=f"{path}: {error.strerror}") from None
    return Added(signer=signer, path=path, kept=kept)


def revoke_signer(archive: Archive, identity: Path, number: int, reason: str) -> Revocation:
    """Let a signer count no longer from now on; return the revocation that counts.

    Raises:
        KeyUnavailableError: The identity key is not here, or is another archive's.
        RequestError: There is no such signer.
        StoreError: Nothing is known; calling again is safe.
    """
    known = read_signers(archive.store, archive.document)
    if number not in known:
        names = ", ".join(map(str, known))
        raise RequestError(
            detail=Said(
                f"there is no signer {number}; there is: {names}",
                f"没有第 {number} 号签名者；现有：{names}",
            )
        )
    revocation = Revocation(
        archive=archive.id, number=number, revoked_at=archive.clock.now(), reason=reason
    )
    return store_revocation(
        archive.store,
        archive.document,
        open_identity(archive, identity),
        revocation,
        retain_until=archive.evidence_until(),
    )


def open_identity(archive: Archive, path: Path) -> Ed25519PrivateKey:
    """Open the identity key.

    Raises:
        KeyUnavailableError: It is not here, or is not the one that the archive was founded with.
    """
    key = Ed25519PrivateKey.from_private_bytes(roots.read_secret_file(path, "identity", archive.id))
    if key.public_key().public_bytes_raw().hex() != archive.document.identity_public_key:
        raise KeyUnavailableError(
            key=keyring.KEYS["identity"],
            detail=Said(
                f"{path} is not the one this archive was founded with",
                f"{path} 不是此档案库建立时的身份密钥",
            ),
        )
    return key


def _number_of(path: Path, archive: str, signers: Mapping[int, Certified]) -> int | None:
    with suppress(KeyUnavailableError):
        secret = roots.read_secret_file(path, "signer", archive)
        own = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        return next((n for n, one in signers.items() if one.public_key == own), None)
    return None


def _free(path: Path, number: int | None) -> Path:
    """Return a name for a key that is moved aside; nothing is ever replaced."""
    stem = f"{path.name}.{number or 0:04d}"
    names = (stem, *(f"{stem}.{again}" for again in range(2, 1000)))
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())
