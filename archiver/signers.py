"""Who may sign for an archive: certificates and revocations by its identity key.

Responsible for reading them from the store and for writing further ones. Trusts the identity key
in the anchor and nothing else; a file that does not verify says nothing, for whoever may write to
the bucket must not be able to stop nights with one.
"""

import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse, keyring, layout
from archiver.errors import AlreadyStoredError, KeyUnavailableError, Said, TamperedError
from archiver.ports import ObjectStore, VersionEntry
from archiver.signed_documents import D, SignedDocument, earliest_that_verifies, parse
from archiver.write_once import put_once
from schemas import documents
from schemas.documents import Revocation, Signer

LAST_NUMBER: Final = 9999
"""Of a signer: its key has four digits."""
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A signing key that the identity key has certified."""

    document: Signer
    envelope: bytes
    revocation: Revocation | None = None

    @property
    def public_key(self) -> bytes:
        """Its public half."""
        return bytes.fromhex(self.document.public_key)


def read_signers(store: ObjectStore, document: documents.Archive) -> Mapping[int, Certified]:
    """Return all certified signers by number, the revoked ones among them.

    Raises:
        StoreError: The store did not answer.
    """
    certificates: dict[int, tuple[Signer, bytes]] = {}
    revocations: dict[int, Revocation] = {}
    listed = store.list_versions(layout.SIGNERS)
    for key in dict.fromkeys(one.key for one in listed if not one.is_delete_marker):
        if layout.revoked_number(key) is not None:
            for gone, _ in _by_identity(store, document, key, "revocation", Revocation):
                revocations[gone.number] = gone
        else:
            for signer, envelope in _by_identity(store, document, key, "signer", Signer):
                certificates[signer.number] = signer, envelope
    return {
        number: Certified(document=signer, envelope=envelope, revocation=revocations.get(number))
        for number, (signer, envelope) in sorted(certificates.items())
    }


def certify(
    store: ObjectStore,
    document: documents.Archive,
    identity: Ed25519PrivateKey,
    signer: Signer,
    *,
    retain_until: datetime,
) -> None:
    """Store a certificate.

    Raises:
        AlreadyStoredError: The number is another signer's, or something foreign lies at its key.
        KeyUnavailableError: The identity key is another archive's.
    """
    content = _signed(document, identity, signer, "signer")
    store.put(layout.signer_key(signer.number), io.BytesIO(content), retain_until=retain_until)


def certify_next(
    store: ObjectStore,
    document: documents.Archive,
    identity: Ed25519PrivateKey,
    public_key: bytes,
    *,
    now: datetime,
    retain_until: datetime,
) -> Signer:
    """Certify a signing key under the next free number. One that is certified keeps its own.

    Raises:
        KeyUnavailableError: The identity key is another archive's, or no number is free.
        StoreError: Nothing is known; calling again is safe.
    """
    signers = read_signers(store, document)
    for certified in signers.values():
        if certified.public_key == public_key:
            return certified.document
    for number in range(max(signers, default=0) + 1, LAST_NUMBER + 1):
        signer = Signer(
            archive=document.archive, number=number, public_key=public_key.hex(), created_at=now
        )
        try:
            certify(store, document, identity, signer, retain_until=retain_until)
        except AlreadyStoredError:
            continue  # somebody else's signer, or somebody's rubbish
        return signer
    raise KeyUnavailableError(
        key=keyring.KEYS["signer"], detail=Said("no number is left for it", "没有剩余编号可用")
    )


def revoke(
    store: ObjectStore,
    document: documents.Archive,
    identity: Ed25519PrivateKey,
    revocation: Revocation,
    *,
    retain_until: datetime,
) -> Revocation:
    """Store a revocation; return the one that counts, which may be an earlier one.

    Something foreign at its key keeps nobody from revoking.

    Raises:
        KeyUnavailableError: The identity key is another archive's.
        StoreError: Nothing is known; calling again is safe.
    """
    key = layout.revocation_key(revocation.number)
    content = _signed(document, identity, revocation, "revocation")

    def ours(found: bytes, version: VersionEntry) -> bool:
        return bool(list(_verified(document, found, version.key, "revocation", Revocation)))

    try:
        put_once(store, key, content, retain_until=retain_until, ours=ours)
    except AlreadyStoredError:
        for earlier, _ in _by_identity(store, document, key, "revocation", Revocation):
            return earlier
        raise
    return revocation


def _signed(
    document: documents.Archive,
    identity: Ed25519PrivateKey,
    statement: Signer | Revocation,
    kind: str,
) -> bytes:
    if identity.public_key().public_bytes_raw().hex() != document.identity_public_key:
        raise KeyUnavailableError(
            key=keyring.KEYS["identity"],
            detail=Said("it is another archive's", "它属于其他档案库"),
        )
    return dsse.sign(statement.model_dump_json().encode(), kind, "identity", identity)


def _by_identity(
    store: ObjectStore, document: documents.Archive, key: str, kind: str, model: type[D]
) -> Iterator[tuple[D, bytes]]:
    """Yield the statement of the identity key at a key, with its envelope; nothing if none is."""
    kept: list[bytes] = []

    def verify(content: bytes, _: VersionEntry) -> D:
        for statement, envelope in _verified(document, content, key, kind, model):
            kept[:] = [envelope]
            return statement
        raise TamperedError(key=key, detail=Said("not by the identity key", "并非由身份密钥签署"))

    try:
        found: SignedDocument[D] = earliest_that_verifies(store, key, verify)
    except TamperedError as error:
        log.warning("certificate does not verify", extra={"key": key, "why": str(error)})
        return
    yield found.document, kept[0]


def _verified(
    document: documents.Archive, content: bytes, key: str, kind: str, model: type[D]
) -> Iterator[tuple[D, bytes]]:
    identity = bytes.fromhex(document.identity_public_key)
    try:
        statement = parse(dsse.verify(content, kind, identity, where=key), model, key)
    except TamperedError:
        return
    number = getattr(statement, "number", None)
    places = {layout.signer_key(number or 0), layout.revocation_key(number or 0)}
    if getattr(statement, "archive", None) == document.archive and key in places:
        yield statement, content
