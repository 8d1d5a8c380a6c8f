"""What those outside remember: witnesses are asked, cosignatures and time stamps are checked.

Only somebody outside can tell that archive and host were set back together, or that two readers
were told different histories. A witness that is asked remembers the head from then on, as after a
night. In a copy nobody is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archiver import layout
from archiver.archive import Archive
from archiver.bounded_get import document_bytes
from archiver.errors import (
    AnswerRefusedError,
    ArchiverError,
    Said,
    SplitViewError,
    TamperedError,
    WitnessAheadError,
)
from archiver.ledger import verifier_keys
from archiver.merkle import Tail
from archiver.signed_documents import versions_of
from archiver.signed_note import open_checkpoint, parse_signatures, verify_cosignature
from archiver.spreading import Circle
from archiver.spreading.records import WitnessRecord, read_record
from archiver.timestamps import TOLERANCE, Authority, verify_token
from archiver.verification.findings import Finding, found
from archiver.verification.ledgers import Book
from archiver.verification.listing import Listing
from archiver.verification.reading import Reader
from archiver.witnesses import EndpointWitness, Head, Witness


@dataclass(frozen=True, slots=True)
class _History:
    """The ledger, as far as witnesses ask it."""

    tree: Tail

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """Return what shows that the first `new` entries continue the first `old`."""
        return self.tree.consistency(old, new)


def of_witnesses(
    book: Book, listing: Listing, archive: Archive, circle: Circle
) -> Iterator[Finding]:
    """Ask every witness whether it knows this ledger.

    Args:
        book: The ledger.
        listing: What the store had when the ledger was read.
        archive: Not refused, whatever is wrong with it.
        circle: Whom to ask.
    """
    if not book.notes:
        return
    size = max(book.notes)
    head = Head.open(book.notes[size], verifier_keys(archive), where=layout.checkpoint_key(size))
    history = _History(Tail(0, [], book.leaves))
    for witness in circle.witnesses:
        yield from _of_witness(witness, head, history, archive, listing)


def _of_witness(
    witness: Witness, head: Head, history: _History, archive: Archive, listing: Listing
) -> Iterator[Finding]:
    key = layout.checkpoint_key(head.size)
    before = read_record(archive, WitnessRecord, witness.name, witness.place).size
    try:
        confirmed = min(before, head.size)
        told = witness.confirm(head, history, confirmed=confirmed, now=archive.clock.now())
    except (WitnessAheadError, SplitViewError) as error:
        if isinstance(error, WitnessAheadError) and _is_new(error, archive, listing):
            return  # a run has added to the ledger meanwhile; the next verification reads it
        yield found(error.code, key=key, witness=witness.name, detail=_said(error))
        return
    except ArchiverError as error:
        yield found("witness-silent", witness=witness.name, detail=_said(error))
        return
    if told.knew < before:
        yield found("witness-lost", key=key, witness=witness.name, confirmed=before, held=told.knew)


def _is_new(error: WitnessAheadError, archive: Archive, listing: Listing) -> bool:
    """Tell whether the checkpoint that a witness knows was written after the listing."""
    size = int(str(error.params["held"]))
    key = layout.checkpoint_key(size)
    if key in listing.versions:
        return False
    try:
        for version in versions_of(archive.store, key):
            content = document_bytes(archive.store, version)
            return open_checkpoint(content, verifier_keys(archive), where=key).size == size
    except ArchiverError:
        pass
    return False


def of_countersignatures(
    book: Book, listing: Listing, reader: Reader, circle: Circle
) -> Iterator[Finding]:
    """Check what witnesses and authorities have signed about checkpoints that were read.

    Args:
        book: The ledger.
        listing: What the store has.
        reader: Fetches it.
        circle: Whose keys and certificates are trusted; of others nothing is known.
    """
    witnesses = {one.name: one for one in circle.witnesses if isinstance(one, EndpointWitness)}
    authorities = {one.name: one for one in circle.authorities}
    for prefix, place_of, known in (
        (layout.COSIGNATURES, layout.cosignature_place, witnesses.keys()),
        (layout.TIMESTAMPS, layout.timestamp_place, authorities.keys()),
    ):
        # Of checkpoints that are told to be gone, or were not read now, nothing can be said.
        versions = [
            version
            for key in listing.below(prefix)
            if (place := place_of(key)) and place[0] in book.notes and place[1] in known
            for version in listing.versions[key]
        ]
        for version, content in reader.each(versions, reader.get):
            size, name = place_of(version.key) or (0, "")
            where: dict[str, Any] = {"key": version.key, "version_id": version.version_id}
            if prefix == layout.COSIGNATURES:
                said = list(_of_cosignature(witnesses[name], book.notes[size], content, where))
            else:
                said = list(_of_stamp(authorities[name], size, book, content, where))
            yield from said
            if said and version is not listing.versions[version.key][0]:
                yield found("shadowed", **where)


def _of_cosignature(
    witness: EndpointWitness, note: bytes, content: bytes, where: dict[str, Any]
) -> Iterator[Finding]:
    text = note.decode().partition("\n\n")[0] + "\n"
    try:
        lines = parse_signatures(content.decode(), where=witness.name)
        holds = [
            verify_cosignature(text, line, key, where=witness.name)
            for line in lines
            for key in witness.keys
            if line.is_by(key)
        ]
    except (TamperedError, UnicodeDecodeError):
        holds = []
    if not holds:
        yield found("cosignature-invalid", witness=witness.name, **where)


def _of_stamp(
    authority: Authority, size: int, book: Book, content: bytes, where: dict[str, Any]
) -> Iterator[Finding]:
    try:
        at = verify_token(content, book.notes[size], authority.trust, authority.name)
    except AnswerRefusedError as error:
        yield found("timestamp-invalid", authority=authority.name, detail=_said(error), **where)
        return
    made = book.made.get(size)
    if made is not None and at < made - TOLERANCE:
        detail = Said(
            f"stamped at {at:%Y-%m-%d %H:%M}, before {made:%Y-%m-%d %H:%M}, when it says to have "
            "been made",
            f"盖章时间 {at:%Y-%m-%d %H:%M} 早于其自称的生成时间 {made:%Y-%m-%d %H:%M}",
        )
        yield found("timestamp-invalid", authority=authority.name, detail=detail, **where)


def _said(error: ArchiverError) -> Said:
    return Said(error.text("en"), error.text("zh"))
