"""Proving one order to a stranger: from a found order to all that shows it was sealed, and when.

Responsible for gathering: the row and its neighbours' hashes out of its partition, the manifest
as the ledger has it, a path to a checkpoint, and who outside of the archive has seen that one.
Four GETs beyond the lookup where one witness and one authority are configured: partition,
checkpoint, cosignature, time stamp; the rest is on this host. What does not verify is not handed
out.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pyarrow as pa

from archiver import dsse, layout
from archiver.archive import Archive
from archiver.canonical import order_leaves
from archiver.errors import ArchiverError, Exit, Said, TamperedError
from archiver.ledger import Ledger, StoredCheckpoint
from archiver.ledger.parts import find_checkpoint
from archiver.lookup.finding import FoundOrder
from archiver.lookup.opening import BASE_LEAVES, BaseKeys, whole_partition
from archiver.merkle import Tail
from archiver.proof import Cosignature, Evidence, Part, TimeStamp, order_parts, written
from archiver.proving.outsiders import Outsiders
from archiver.signed_note import key_id, parse_note
from schemas.documents import LedgerEntry, Manifest, SealedObject

log: Final = logging.getLogger(__name__)


class NotInLedgerError(ArchiverError):
    """The order is sealed, and the ledger has no checkpoint over its manifest yet."""

    exit = Exit.TRY_LATER
    code = "not-in-ledger"
    en = "Manifest {number} is not in the ledger under a signed checkpoint yet: {detail}"
    zh = "第 {number} 号清单尚未纳入账本中已签名的检查点：{detail}"
    next = "archiver nightly"


class NothingToProveError(ArchiverError):
    """There is no such order in the archive."""

    exit = Exit.FIX_REQUEST
    code = "nothing-to-prove"
    en = "There is nothing to prove: {detail}"
    zh = "没有可证明的订单：{detail}"
    next = "archiver find --order ID --purpose TEXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All that proves an order; what its reader shall see of it is still to be said."""

    order: pa.Table = field(repr=False)
    kek: bytes = field(repr=False)
    evidence: Evidence
    number: int
    """Of the manifest's entry in the ledger."""
    size: int
    """Of the checkpoint."""
    revoked: Mapping[int, datetime] = field(default_factory=dict)
    """Of those who signed manifest and checkpoint, who counts no longer, and since when."""

    def seen_before(self, at: datetime) -> bool:
        """Return whether somebody outside saw the checkpoint before an instant."""
        seen = [one.at for one in self.evidence.cosignatures]
        seen += [one.at for one in self.evidence.timestamps]
        return any(datetime.fromisoformat(one) < at for one in seen)

    def written(self, withheld: Collection[str], secret: Part | None = None) -> bytes:
        """Return the proof's file, verified as its reader will.

        Args:
            withheld: Parts of the order that the reader shall not see.
            secret: Its card secrets with their salt, if they were revealed for this.

        Raises:
            TamperedError: It would not verify.
        """
        row = self.evidence.row
        parts = order_parts(self.order, self.kek, row, withheld=withheld, secret=secret)
        try:
            return written(parts, self.evidence)
        except Exception as error:
            # What was read was verified piece by piece, so this is no accident of the store.
            log.debug("proof does not verify", exc_info=True)
            said = str(error) if type(error) is ValueError else type(error).__name__
            detail = Said(f"its proof would not verify: {said}", f"其证明无法通过校验：{said}")
            raise TamperedError(key=self.evidence.partition, detail=detail) from None


@dataclass(slots=True)
class Proving:
    """Proves orders of one archive."""

    archive: Archive
    keys: BaseKeys
    ledger: Ledger
    """Refreshed."""
    anchor: bytes
    """This host's `archive.json`."""
    outsiders: Outsiders
    kept: Callable[[int, str], bytes | None]
    """A manifest's envelope by number and version id, if this host has kept it."""

    def gather(self, found: FoundOrder) -> Gathered:
        """Return all that proves an order.

        Raises:
            NotInLedgerError: It is sealed, and no checkpoint covers it yet.
            TamperedError: What is stored is not what was signed.
            StoreError: The store did not answer.
        """
        place = found.hit.partition
        entry, text = self._entry(place.manifest)
        envelope, stored = self._sealed(entry, place.key)
        order, row, path = self._row(found, stored)
        checkpoint, cosignatures, timestamps = self._checkpoint(entry)
        signers = self._signers(envelope, checkpoint.note)
        evidence = Evidence(
            partition=place.key,
            row=row,
            partition_path=path,
            manifest=envelope,
            entry=text,
            ledger_path=self.ledger.inclusion(entry.number, checkpoint.size),
            checkpoint=checkpoint.note,
            signers=[self.archive.certificates[number] for number in signers],
            archive=self.anchor,
            cosignatures=cosignatures,
            timestamps=timestamps,
        )
        return Gathered(
            order=order,
            kek=self.keys.kek(place),
            evidence=evidence,
            number=entry.number,
            size=checkpoint.size,
            revoked={
                number: self.archive.revoked[number]
                for number in signers
                if number in self.archive.revoked
            },
        )

    def _entry(self, number: int) -> tuple[LedgerEntry, str]:
        entry = self.ledger.entry_of(layout.manifest_key(number))
        if entry is None:
            said = Said("a night has sealed it and not finished", "夜间任务封存后尚未结束")
            raise NotInLedgerError(number=number, detail=said)
        part = self.ledger.part_with(entry.number)
        return entry, part.entries[entry.number - part.first]

    def _sealed(self, entry: LedgerEntry, key: str) -> tuple[bytes, SealedObject]:
        """Return the manifest that the ledger has, and what it says of a partition."""
        number = layout.manifest_number(entry.key) or 0
        envelope = self.kept(number, entry.version_id)
        if envelope is None or hashlib.sha256(envelope).hexdigest() != entry.sha256:
            envelope = self.archive.store.get(entry.key, entry.version_id)
        if hashlib.sha256(envelope).hexdigest() != entry.sha256:
            said = Said("it is not the one that the ledger has", "与账本中的不同")
            raise TamperedError(key=entry.key, detail=said)
        manifest = self.archive.verify(envelope, "manifest", Manifest, entry.key)
        for stored in manifest.objects:
            if stored.key == key:
                return envelope, stored
        raise TamperedError(key=key, detail=Said("no manifest names it", "没有清单记载它"))

    def _row(self, found: FoundOrder, stored: SealedObject) -> tuple[pa.Table, int, list[bytes]]:
        """Return the order as one row, its place in the partition, and the path to the root."""
        hit, place = found.hit, found.hit.partition
        kek = self.keys.kek(place)
        leaves: list[bytes] = []
        order: pa.Table | None = None
        row = 0
        tables = whole_partition(self.archive, self.keys, place, BASE_LEAVES)
        for number, table in enumerate(tables):
            if number == hit.row_group:
                row, order = len(leaves) + hit.row, table.slice(hit.row, 1)
            leaves += order_leaves(table, kek, first_row=len(leaves))
        tree = Tail(0, [], leaves)
        if order is None or len(order) != 1 or tree.root().hex() != stored.merkle_root:
            said = Said("its orders are not those that were signed", "其订单与签名时的不同")
            raise TamperedError(key=place.key, detail=said)
        return order, row, tree.inclusion(row, len(leaves))

    def _checkpoint(
        self, entry: LedgerEntry
    ) -> tuple[StoredCheckpoint, list[Cosignature], list[TimeStamp]]:
        """Return the first checkpoint over an entry that as many outsiders have seen as any."""
        own = self.ledger.part_with(entry.number).size
        store, alarms = self.archive.store, self.archive.alarms
        for size, seen in self.outsiders.sizes(store, own):
            if not entry.number < size <= self.ledger.size:
                continue
            checkpoint = self._signed(size)
            if checkpoint is None:
                continue
            cosignatures = list(self.outsiders.cosignatures(store, checkpoint, seen, alarms))
            timestamps = list(self.outsiders.timestamps(store, checkpoint, seen, alarms))
            if cosignatures or timestamps:
                return checkpoint, cosignatures, timestamps
        checkpoint = self._signed(own) or self.ledger.checkpoint()
        if checkpoint is None:
            for alarm in self.archive.alarms:
                raise alarm  # it is there, and does not verify
            number = layout.manifest_number(entry.key)
            said = Said("the checkpoint is not signed", "检查点尚未签名")
            raise NotInLedgerError(number=number, detail=said)
        return checkpoint, [], []

    def _signed(self, size: int) -> StoredCheckpoint | None:
        latest = self.ledger.checkpoint()
        if latest is not None and latest.size == size:
            return latest
        return find_checkpoint(self.archive, size, self.ledger.root_at(size))

    def _signers(self, envelope: bytes, note: bytes) -> list[int]:
        """Return who has signed manifest and checkpoint."""
        (signature, *_) = parse_note(note, where=layout.CHECKPOINTS).signatures
        numbers = {int(dsse.claimed_key_id(envelope, where=layout.MANIFESTS))}
        for number, public_key in self.archive.signers.items():
            if key_id(signature.name, public_key) == signature.key_id:
                numbers.add(number)
        return sorted(numbers)
