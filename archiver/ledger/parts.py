"""Parts and checkpoints of the ledger in the store: read, verified, and written.

Responsible for which of several objects counts. A part's key is the fence between two writers; the
earliest version that verifies and continues the chain counts, unless a checkpoint was signed over
another one. What lies at a key and does not verify is an alarm and keeps nobody from writing: the
next object then stands beside it, under a name that nobody can guess.
"""

import base64
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from archiver import layout, merkle
from archiver.archive import Archive
from archiver.bounded_get import document_bytes
from archiver.errors import AlreadyStoredError, ArchiverError, RollbackError, Said, TamperedError
from archiver.merkle import Tail
from archiver.ports import StoredObject, VersionEntry
from archiver.signed_note import (
    Checkpoint,
    VerifierKey,
    open_checkpoint,
    sign_note,
)
from schemas.documents import LedgerEntry, LedgerPart

ASIDE: Final = 4
"""Random bytes in the name of what stands beside a foreign object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part that verifies, and where it stands."""

    key: str
    version_id: str
    sha256: str
    """Of the object's bytes."""
    document: LedgerPart

    @property
    def size(self) -> int:
        """The size of the ledger that ends with it."""
        return self.document.first + len(self.document.entries)

    @property
    def tail(self) -> Tail:
        """The tree that ends with it: all that it takes to show what is in the part."""
        return Tail(
            self.document.first,
            [bytes.fromhex(node) for node in self.document.frontier],
            [merkle.leaf_hash(text.encode()) for text in self.document.entries],
        )

    @property
    def entries(self) -> list[LedgerEntry]:
        """Its entries, parsed."""
        return [LedgerEntry.model_validate_json(text) for text in self.document.entries]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint that verifies, and where it stands."""

    key: str
    version_id: str
    note: bytes
    """The object's bytes: what witnesses and time stamps are about."""
    head: Checkpoint

    @property
    def size(self) -> int:
        """How many entries it covers."""
        return self.head.size

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return self.head.root

    @property
    def sha256(self) -> str:
        """Of the object's bytes."""
        return hashlib.sha256(self.note).hexdigest()


# --- what an archive signs with -----------------------------------------------------------------


def origin(archive: str) -> str:
    """Return the name of an archive's log, and of its signers, in checkpoints."""
    return f"order-archive/{archive}"


def verifier_keys(archive: Archive, written_at: datetime | None = None) -> list[VerifierKey]:
    """Return the keys whose signature a checkpoint of this archive may bear.

    Args:
        archive: The archive.
        written_at: The store's date of the checkpoint: what a signer signed after he was revoked
            does not count. Without one (a witness's copy) all keys may have.
    """
    name = origin(archive.id)
    signers = archive.signers if written_at is None else archive.signers_at(written_at)
    return [VerifierKey(name=name, public_key=key) for key in signers.values()]


def tell(archive: Archive, error: ArchiverError) -> None:
    """Add an alarm, once a run."""
    if str(error) not in map(str, archive.alarms):
        archive.alarms.append(error)


# --- parts --------------------------------------------------------------------------------------


def part_versions(archive: Archive, prefix: str) -> dict[int, list[VersionEntry]]:
    """Return the versions of parts whose keys begin so, by first entry, oldest first."""
    found: dict[int, list[VersionEntry]] = {}
    for version in archive.store.list_versions(prefix):
        first = layout.ledger_first(version.key)
        if first is not None and not version.is_delete_marker:
            found.setdefault(first, []).insert(0, version)
    for versions in found.values():
        # A listing is by key; among objects beside each other the store's clock decides.
        versions.sort(key=lambda version: (version.written_at, version.key))
    return found


def verify_part(archive: Archive, version: VersionEntry, content: bytes) -> StoredPart:
    """Return the part in an object.

    Raises:
        TamperedError: It does not verify, or stands where it does not belong.
    """
    part = archive.verify(content, "ledger", LedgerPart, version.key, version.written_at)
    if (part.archive, part.first) != (archive.id, layout.ledger_first(version.key)):
        said = Said("it belongs to another archive or place", "它属于其他档案库或位置")
        raise TamperedError(key=version.key, detail=said)
    try:
        numbers = [LedgerEntry.model_validate_json(text).number for text in part.entries]
        complete = len(merkle.complete_subtrees(part.first)) == len(part.frontier)
    except ValidationError:
        numbers, complete = [], False
    if not complete or numbers != list(range(part.first, part.first + len(part.entries))):
        said = Said("its entries are not numbered as they should", "其条目或编号不正确")
        raise TamperedError(key=version.key, detail=said)
    sha256 = hashlib.sha256(content).hexdigest()
    return StoredPart(key=version.key, version_id=version.version_id, sha256=sha256, document=part)


def counting_part(
    archive: Archive, contents: Iterable[tuple[VersionEntry, bytes]], frontier: Sequence[bytes]
) -> StoredPart | None:
    """Return the part that counts among the versions for one place, None if none verifies.

    Args:
        archive: The archive.
        contents: Versions and their bytes, oldest first.
        frontier: Of the ledger in front of the place.
    """
    expected = [node.hex() for node in frontier]
    found: dict[str, StoredPart] = {}
    failure: TamperedError | None = None
    for version, content in contents:
        try:
            part = verify_part(archive, version, content)
        except TamperedError as error:
            failure = failure or error
            continue
        if part.document.frontier == expected:
            found.setdefault(part.sha256, part)
        else:  # signed by us: this is no accident
            said = Said("it continues another ledger", "它延续的是另一本账本")
            tell(archive, TamperedError(key=version.key, detail=said))
    parts = list(found.values())
    if len(parts) > 1:  # two writers where the store is no fence; the loser signs no checkpoint
        signed = (part for part in parts if find_checkpoint(archive, part.size, part.tail.root()))
        return next(signed, parts[0])
    if not parts and failure is not None:
        tell(archive, failure)
    return parts[0] if parts else None


def read_versions(
    archive: Archive, versions: Iterable[VersionEntry]
) -> Iterator[tuple[VersionEntry, bytes]]:
    """Yield versions with their bytes."""
    for version in versions:
        yield version, document_bytes(archive.store, version)


def put_part(archive: Archive, part: LedgerPart, frontier: Sequence[bytes]) -> StoredPart:
    """Store a part, and return the one that counts in its place: it may be another writer's."""
    content = archive.signed(part, "ledger")
    stored = _put(archive, layout.ledger_key(part.first), content)
    if stored is None:
        if winner := _part_at(archive, part.first, frontier):
            return winner
        stored = _put(archive, layout.ledger_key(part.first, os.urandom(ASIDE).hex()), content)
    # Looked at once more: others may have been quicker, beside what lies there or on a store that
    # lets several writers of one key win.
    versions = _versions_at(archive, part.first)
    ours = stored and (stored.key, stored.version_id)
    if stored and [(one.key, one.version_id) for one in versions] == [ours]:
        return StoredPart(
            key=stored.key, version_id=stored.version_id, sha256=stored.sha256, document=part
        )
    counting = counting_part(archive, read_versions(archive, versions), frontier)
    if counting is None:
        said = Said("it was stored, and is not there", "已写入但无法找到")
        raise TamperedError(key=layout.ledger_key(part.first), detail=said)
    return counting


def _versions_at(archive: Archive, first: int) -> list[VersionEntry]:
    return part_versions(archive, layout.ledger_stem(first)).get(first, [])


def _part_at(archive: Archive, first: int, frontier: Sequence[bytes]) -> StoredPart | None:
    contents = read_versions(archive, _versions_at(archive, first))
    return counting_part(archive, contents, frontier)


# --- checkpoints --------------------------------------------------------------------------------


def checkpoint_versions(archive: Archive, size: int) -> list[VersionEntry]:
    """Return the versions of a checkpoint, oldest first."""
    found, key = list[VersionEntry](), layout.checkpoint_key(size)
    for version in archive.store.list_versions(key):
        if version.key > f"{key}-g":
            break  # `checkpoints/70` begins with `checkpoints/7`, too, and there may be thousands
        if layout.checkpoint_size(version.key) == size and not version.is_delete_marker:
            found.insert(0, version)
    return sorted(found, key=lambda version: (version.written_at, version.key))


def find_checkpoint(archive: Archive, size: int, root: bytes) -> StoredCheckpoint | None:
    """Return the checkpoint of a ledger with this size and root; None if there is none.

    What does not verify is an alarm, if nothing else is there.

    Raises:
        RollbackError: A checkpoint was signed over another ledger of this size.
    """
    failure: TamperedError | None = None
    other: str | None = None
    for version, content in read_versions(archive, checkpoint_versions(archive, size)):
        try:
            keys = verifier_keys(archive, version.written_at)
            head = open_checkpoint(content, keys, where=version.key)
        except TamperedError as error:
            failure = failure or error
            continue
        if (head.size, head.root) == (size, root):
            return StoredCheckpoint(
                key=version.key, version_id=version.version_id, note=content, head=head
            )
        if head.size == size:
            other = version.key
    if other is not None:
        said = Said(f"{other} is signed over other entries", f"{other} 签署的是其他条目")
        raise RollbackError(detail=said)
    if failure is not None:
        tell(archive, failure)
    return None


def put_checkpoint(archive: Archive, size: int, root: bytes) -> StoredCheckpoint:
    """Sign and store the checkpoint of a ledger; if somebody else of us has, take theirs.

    Raises:
        RollbackError: A checkpoint was signed over another ledger of this size.
    """
    head = Checkpoint(origin=origin(archive.id), size=size, root=root)
    note = sign_note(head.text, head.origin, archive.signing_keys().signer)
    stored = _put(archive, layout.checkpoint_key(size), note)
    if stored is None:
        if theirs := find_checkpoint(archive, size, root):
            return theirs
        stored = _put(archive, layout.checkpoint_key(size, os.urandom(ASIDE).hex()), note)
    if stored is None:  # 32 random bits, taken
        raise AlreadyStoredError(key=layout.checkpoint_key(size))
    return StoredCheckpoint(key=stored.key, version_id=stored.version_id, note=note, head=head)


def _put(archive: Archive, key: str, content: bytes) -> StoredObject | None:
    """Store evidence; None if something else lies there."""
    try:
        return archive.store.put(key, io.BytesIO(content), retain_until=archive.evidence_until())
    except AlreadyStoredError:
        return None


def decoded_checkpoint(archive: Archive, fields: object) -> StoredCheckpoint:
    """Return a checkpoint that was kept on this host, verified anew.

    Raises:
        TamperedError: It does not verify.
        ValueError, KeyError, TypeError: It is none.
    """
    if not isinstance(fields, dict):
        raise TypeError
    key, note = str(fields["key"]), base64.b64decode(fields["note"], validate=True)
    head = open_checkpoint(note, verifier_keys(archive), where=key)
    return StoredCheckpoint(key=key, version_id=str(fields["version_id"]), note=note, head=head)


def encoded_checkpoint(checkpoint: StoredCheckpoint | None) -> dict[str, str] | None:
    """Return a checkpoint as JSON can hold it."""
    if checkpoint is None:
        return None
    note = base64.b64encode(checkpoint.note).decode()
    return {"key": checkpoint.key, "version_id": checkpoint.version_id, "note": note}
