"""Parts: the access log sealed into the store, under a lock that outlives this host.

Responsible for FORMAT.md 3, "Access part". A part holds the entries of one node since the part
before, encrypted to the base root, for they are personal data; its ends are digests, so that
whoever has no key can still compare a chain with it. Refuses to seal a chain that does not
continue what was sealed before.
"""

import base64
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver import keyring, layout, retention
from archiver.access_log.chain import AccessLog, body_of
from archiver.archive import Archive
from archiver.errors import (
    AlreadyStoredError,
    AnotherRunError,
    ForeignObjectError,
    Said,
    TamperedError,
)
from archiver.keyring import KeyPair
from archiver.ledger import Ledger
from archiver.ledger.parts import tell
from archiver.ports import VersionEntry
from archiver.refusals import AccessLogBrokenError
from archiver.retention import Rule
from archiver.signed_documents import SignedDocument
from archiver.write_once import put_once
from schemas.documents import AccessPart

ENTRIES: Final = 10_000
"""In one part: about five megabytes before compression."""
YEARS: Final = 3
"""How long access logs are kept (FACTS 4; the Cybersecurity Law asks for six months)."""
RECORD_CLASS: Final = "access"
_NONCE: Final = 12
_LONGEST: Final = 256 << 20
"""Bytes that a part may unpack to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part that verifies, and where it stands."""

    key: str
    signed: SignedDocument[AccessPart]

    @property
    def document(self) -> AccessPart:
        """The part."""
        return self.signed.document


def seal_access_log(archive: Archive, log: AccessLog) -> list[AccessPart]:
    """Seal what every chain in the state has gained since it was last sealed.

    A night calls this once. Calling it again seals nothing twice.

    Args:
        archive: Opened to seal.
        log: Any node's log: the chains of all nodes in its state are sealed.

    Raises:
        AccessLogBrokenError: A chain does not continue what was sealed of it.
        AnotherRunError: Another host seals a chain of the same name.
        TamperedError: A part in the store does not verify.
        AccessLogUnwritableError: The state cannot be read.
        StoreError: The store did not take it; calling again is safe.
    """
    made = []
    for node in sorted({*log.nodes(), log.node}):  # ours may have been deleted as a whole
        last = latest_part(archive, node)
        if last is not None:
            _require_continued(log, last.document)
        for entries in _portions(log, node, last.document.last + 1 if last else 1):
            part, stored = _seal(archive, node, last, entries)
            made.append(part)
            last = StoredPart(key=layout.access_key(node, part.part), signed=stored)
    return made


def parts_of(archive: Archive, node: str) -> Iterator[StoredPart | TamperedError]:
    """Yield a node's parts in order, of each the earliest version that verifies.

    A part of which none does is yielded as the error that says so.
    """
    for number in _numbers(archive, node):
        key = layout.access_key(node, number)
        try:
            signed = archive.read_signed(key, "access", AccessPart)
            _require_its_own(archive, key, signed.document, node, number)
        except TamperedError as error:
            yield error
        else:
            yield StoredPart(key=key, signed=signed)


def latest_part(archive: Archive, node: str) -> StoredPart | None:
    """Return a node's last part; None before the first.

    Raises:
        TamperedError: It does not verify.
    """
    for number in reversed(_numbers(archive, node)):
        key = layout.access_key(node, number)
        try:
            signed = archive.read_signed(key, "access", AccessPart)
            _require_its_own(archive, key, signed.document, node, number)
        except TamperedError:
            if _is_taken(archive, key):
                raise
            # Whoever may write to the bucket must not be able to keep the log from being sealed.
            tell(archive, ForeignObjectError(key=key))
            continue
        return StoredPart(key=key, signed=signed)
    return None


def _is_taken(archive: Archive, key: str) -> bool:
    """Return whether the ledger knows a part to have been at a key where none verifies."""
    ledger = Ledger(archive)
    ledger.refresh()
    return ledger.taken.has(key)


def _counts(archive: Archive, content: bytes, version: VersionEntry) -> bool:
    """Return whether a version is this key's own part, whoever sealed it."""
    try:
        part = archive.verify(content, "access", AccessPart, version.key, version.written_at)
    except TamperedError:
        return False
    return layout.access_key(part.node, part.part) == version.key


def sealed_nodes(archive: Archive) -> list[str]:
    """Return the nodes of which the store has parts."""
    versions = archive.store.list_versions(layout.ACCESS)
    found = (layout.access_part(version.key) for version in versions)
    return sorted({part[0] for part in found if part is not None})


def open_part(archive: Archive, part: AccessPart, root: KeyPair) -> list[bytes]:
    """Return the entries in a part, as they were chained.

    Args:
        archive: The archive.
        part: Verified.
        root: The base root's private half.

    Raises:
        KeyUnavailableError: Another root, or an altered key.
        TamperedError: The contents were altered.
    """
    key = layout.access_key(part.node, part.part)
    cohort = archive.read_cohort(part.cohort)
    pair = keyring.open_cohort_key(cohort, "base", root)
    info = keyring.binding("kek", archive.id, "base", key)
    kek = pair.open(base64.b64decode(part.key), info)
    sealed = base64.b64decode(part.sealed)
    try:
        packed = AESGCM(kek).decrypt(sealed[:_NONCE], sealed[_NONCE:], key.encode())
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(packed, _LONGEST)
    except (InvalidTag, ValueError, zlib.error):
        raise TamperedError(
            key=key, detail=Said("the contents do not decrypt", "内容无法解密")
        ) from None
    return content.split(b"\n")


def _seal(
    archive: Archive, node: str, last: StoredPart | None, entries: list[tuple[int, bytes, str]]
) -> tuple[AccessPart, SignedDocument[AccessPart]]:
    number = last.document.part + 1 if last else 1
    key = layout.access_key(node, number)
    now = archive.clock.now()
    until = retention.retain_until(
        now, Rule(years=YEARS, margin=max(archive.rules.retention.margin, timedelta()))
    )
    cohort = archive.cohort(retention.cohort_of(until, RECORD_CLASS))
    kek, nonce = os.urandom(keyring.KEK_SIZE), os.urandom(_NONCE)
    packed = zlib.compress(b"\n".join(body for _, body, _ in entries))
    part = AccessPart(
        archive=archive.id,
        node=node,
        part=number,
        created_at=now,
        first=entries[0][0],
        last=entries[-1][0],
        before=last.document.head if last else None,
        head=entries[-1][2],
        previous=last.signed.sha256 if last else None,
        cohort=cohort.cohort,
        key=keyring.seal_kek(cohort, "base", kek, key),
        sealed=base64.b64encode(nonce + AESGCM(kek).encrypt(nonce, packed, key.encode())).decode(),
    )
    try:
        stored = put_once(
            archive.store,
            key,
            archive.signed(part, "access"),
            retain_until=until,
            ours=partial(_counts, archive),
        )
    except AlreadyStoredError:
        raise AnotherRunError(
            detail=Said(
                f"{key} was sealed meanwhile; if another host uses the node name {node}, give "
                "each its own: [access] node",
                f"{key} 已被封存；若另一主机使用同一节点名 {node}，请各自设置 [access] node",
            )
        ) from None
    signed = SignedDocument(document=part, version_id=stored.version_id, sha256=stored.sha256)
    return part, signed


def _portions(log: AccessLog, node: str, first: int) -> Iterator[list[tuple[int, bytes, str]]]:
    """Yield a chain's entries from `first` on, each portion checked to be a chain."""
    portion: list[tuple[int, bytes, str]] = []
    expected = first
    for row in log.stored(node, first):
        if row["number"] != expected:
            raise AccessLogBrokenError(
                node=node,
                detail=Said(f"entry {expected} is missing", f"缺少第 {expected} 条记录"),
            )
        portion.append((row["number"], body_of(row), row["digest"]))
        expected += 1
        if len(portion) == ENTRIES:
            yield portion
            portion = []
    if portion:
        yield portion


def _require_continued(log: AccessLog, part: AccessPart) -> None:
    if log.digest_of(part.last, part.node) != part.head:
        raise AccessLogBrokenError(
            node=part.node,
            detail=Said(
                f"part {part.part} in the store ends with entry {part.last}, and this state does "
                "not have it: it was restored from an old copy, cut or altered",
                f"存储中的第 {part.part} 段止于第 {part.last} 条记录，而当前状态库中没有："
                "状态库被旧副本覆盖、截断或改动",
            ),
        )


def _require_its_own(archive: Archive, key: str, part: AccessPart, node: str, number: int) -> None:
    if (part.archive, part.node, part.part) != (archive.id, node, number):
        raise TamperedError(
            key=key,
            detail=Said("it is of another archive, node or number", "它属于其他档案库、节点或编号"),
        )


def _numbers(archive: Archive, node: str) -> list[int]:
    versions = archive.store.list_versions(layout.access_folder(node))
    found = (layout.access_part(one.key) for one in versions if not one.is_delete_marker)
    return sorted({part[1] for part in found if part is not None})
