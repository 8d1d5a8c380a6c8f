"""The ledger as a verification sees it: every part and checkpoint, and the documents behind them.

Of everything, in its turn and where something lies over it, parts are read from the store and the
tree is computed anew; else this host's copy is read on (`archiver.ledger`), which notices by
itself what was set back. Each entry's document must be there, with the digest that the ledger has.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from archiver import layout
from archiver.archive import Archive
from archiver.errors import RollbackError, Said, TamperedError
from archiver.ledger import Ledger, verifier_keys
from archiver.ledger.local_copy import LocalCopy
from archiver.ledger.parts import find_checkpoint
from archiver.merkle import Tail, complete_subtrees, leaf_hash
from archiver.ports import VersionEntry
from archiver.signed_note import Checkpoint, VerifierKey, open_checkpoint, parse_note
from archiver.verification.chain import HERE, Chain
from archiver.verification.findings import Finding, Touched, found
from archiver.verification.listing import Listing
from archiver.verification.papers import Fault, Form, Paper, Signers, judge
from archiver.verification.reading import Reader
from schemas.documents import LedgerEntry, LedgerPart

PART: Form[LedgerPart] = Form(
    kind="ledger",
    model=LedgerPart,
    belongs=lambda one, key: layout.ledger_first(key) == one.first,
)
LEDGER = Said("the ledger", "账本")


@dataclass(slots=True)
class Book:
    """What the ledger has."""

    entries: list[LedgerEntry] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    """By the sizes at which parts end."""
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    """Those that verify and are of this ledger, by size."""
    notes: dict[int, bytes] = field(default_factory=dict)
    """Their objects' bytes."""
    leaves: list[bytes] = field(default_factory=list)
    """Of all entries."""
    later: set[int] = field(default_factory=set)
    """Numbers of manifests that were written while the store was read."""
    made: dict[int, datetime] = field(default_factory=dict)
    """When parts say that they were made, by the sizes at which they end."""

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.entries)

    @property
    def manifest_days(self) -> Mapping[int, date | None]:
        """Days of manifests by their numbers."""
        return {
            layout.manifest_number(one.key) or 0: one.day
            for one in self.entries
            if one.kind == "manifest" and layout.manifest_number(one.key) not in self.later
        }


def read_book(
    archive: Archive, listing: Listing, reader: Reader, signers: Signers, *, whole: bool
) -> tuple[Book, list[Finding]]:
    """Read the ledger.

    Args:
        archive: Not refused, whatever is wrong with it.
        listing: What the store has.
        reader: Fetches it.
        signers: Who may sign.
        whole: From the store, all of it; else what was added since this host read it.

    Raises:
        StoreError: The store did not answer.
    """
    if not whole:
        return _read_on(archive)
    book = Book()
    findings = list(_of_parts(book, archive, listing, reader, signers))
    findings += _of_checkpoints(book, archive, listing, reader, signers)
    findings += _of_memory(book, archive, listing)
    return book, findings


def _read_on(archive: Archive) -> tuple[Book, list[Finding]]:
    book, findings = Book(), []
    ledger = Ledger(archive)
    try:
        ledger.refresh()
        texts = ledger.entries
        book.leaves = [leaf_hash(text.encode()) for text in texts]
        book.entries = [LedgerEntry.model_validate_json(text) for text in texts]
        book.roots[ledger.size] = ledger.root
        if (last := ledger.checkpoint()) is not None:
            book.checkpoints[last.size] = last.head
            book.notes[last.size] = last.note
    except RollbackError as error:
        findings.append(found("rollback", key=None, who=HERE, severity="alarm"))
        findings.append(_broken(error))
    except TamperedError as error:
        findings.append(_broken(error))
    findings += [_broken(one) for one in archive.alarms if isinstance(one, TamperedError)]
    return book, findings


def _broken(error: TamperedError | RollbackError) -> Finding:
    key = error.params.get("key")
    detail = Said(error.text("en"), error.text("zh"))
    return found("ledger-broken", key=None if key is None else str(key), detail=detail)


# --- parts --------------------------------------------------------------------------------------


def _of_parts(
    book: Book, archive: Archive, listing: Listing, reader: Reader, signers: Signers
) -> Iterator[Finding]:
    """Walk the parts, the earliest that verifies and continues the ledger first."""
    by_first: dict[int, list[VersionEntry]] = {}
    for key in listing.below("ledger/"):
        first = layout.ledger_first(key)
        if first is not None:
            by_first.setdefault(first, []).extend(listing.versions[key])
    for versions in by_first.values():
        versions.sort(key=lambda one: (one.written_at, one.key))
    ordered = sorted(by_first)
    frontier: list[bytes] = []
    expected = 0
    for first, content in reader.each(ordered, lambda first: reader.get(by_first[first][0])):
        if first > expected:
            key = layout.ledger_key(expected)
            yield found("ledger-part-missing", key=key)
            return  # without it nobody can tell what the later ones continue
        if first < expected:
            yield found("ledger-forked", key=by_first[first][0].key)
            continue
        place = by_first[first]
        counting = yield from _of_place(
            place, content, frontier, reader, signers=signers, archive=archive
        )
        if counting is None:
            if first != ordered[-1]:
                yield found("ledger-part-missing", key=layout.ledger_key(first))
            return
        leaves = [leaf_hash(text.encode()) for text in counting.document.entries]
        tail = Tail(first, frontier, leaves)
        frontier = tail.frontier_at(tail.size)
        expected = tail.size
        book.roots[expected] = tail.root()
        book.leaves += leaves
        book.made[expected] = counting.document.created_at
        book.entries += [
            LedgerEntry.model_validate_json(text) for text in counting.document.entries
        ]


def _of_place(
    versions: Sequence[VersionEntry],
    content: bytes,
    frontier: Sequence[bytes],
    reader: Reader,
    *,
    signers: Signers,
    archive: Archive,
) -> Generator[Finding, None, Paper[LedgerPart] | None]:
    """Yield what is wrong with the objects of one place; return the part that counts."""
    parts: dict[str, Paper[LedgerPart]] = {}
    expected = [node.hex() for node in frontier]
    for number, version in enumerate(versions):
        one = judge(signers, PART, content if number == 0 else reader.get(version), version)
        where: dict[str, Any] = {"key": version.key, "version_id": version.version_id}
        if isinstance(one, Paper) and not _is_numbered(one.document):
            one = Fault(code="malformed", params={"detail": Said("its entries", "其条目")})
        if isinstance(one, Fault):
            yield found(one.code, **where, **one.params)
            if parts:
                yield found("shadowed", **where)
        elif one.document.frontier != expected:
            yield found("ledger-forked", **where)
        elif one.sha256 in parts:
            yield found("repeated-version", **where)
        else:
            parts[one.sha256] = one
    # Of two writers the one counts over whose part a checkpoint was signed, as for every reader.
    ours = list(parts.values())
    signed = (one for one in ours if len(ours) > 1 and _is_signed(one.document, archive))
    counting = next(signed, ours[0] if ours else None)
    for place, one in enumerate(ours):
        if counting is not None and one is not counting:
            code = "shadowed" if place > ours.index(counting) else "other-version"
            yield found(code, key=one.key, version_id=one.version.version_id)
    return counting


def _is_signed(part: LedgerPart, archive: Archive) -> bool:
    frontier = [bytes.fromhex(node) for node in part.frontier]
    tree = Tail(part.first, frontier, [leaf_hash(text.encode()) for text in part.entries])
    with suppress(RollbackError):  # the checkpoint is the other one's
        return find_checkpoint(archive, tree.size, tree.root()) is not None
    return False


def _is_numbered(part: LedgerPart) -> bool:
    try:
        numbers = [LedgerEntry.model_validate_json(text).number for text in part.entries]
    except ValidationError:
        return False
    complete = len(complete_subtrees(part.first)) == len(part.frontier)
    return complete and numbers == list(range(part.first, part.first + len(part.entries)))


# --- checkpoints --------------------------------------------------------------------------------


def _of_checkpoints(
    book: Book, archive: Archive, listing: Listing, reader: Reader, signers: Signers
) -> Iterator[Finding]:
    keys = [
        key for key in listing.below(layout.CHECKPOINTS) if layout.checkpoint_size(key) is not None
    ]
    ours = (layout.checkpoint_key(size) for size in book.roots)
    keys += [key for key in ours if key not in listing.versions and listing.look_again(key)]
    versions = [version for key in keys for version in listing.versions[key]]
    told: dict[str, Finding] = {}
    for version, content in reader.each(versions, reader.get):
        size = layout.checkpoint_size(version.key) or 0
        where: dict[str, Any] = {"key": version.key, "version_id": version.version_id}
        first = listing.versions[version.key][0]
        if version is not first and content != book.notes.get(size):
            yield found("shadowed", **where)
        head = _opened(content, version, archive, signers, book.made.get(size))
        if isinstance(head, Fault):
            yield found(head.code, **where, **head.params)
        elif head.size != size:
            yield found("checkpoint-replayed", size=head.size, **where)
        elif head.root == book.roots.get(size):
            if size not in book.notes:
                book.checkpoints[size] = head
                book.notes[size] = content
        elif size <= book.size or not book.roots:
            yield found("checkpoint-differs", **where)
        else:
            told[version.key] = found("rollback", who=LEDGER, **where)
    yield from told.values()
    for size in book.roots:
        if size not in book.checkpoints:
            last = size == book.size
            yield found("checkpoint-unsigned" if last else "checkpoint-missing", size=size)


def _opened(
    content: bytes,
    version: VersionEntry,
    archive: Archive,
    signers: Signers,
    stated: datetime | None,
) -> Checkpoint | Fault:
    """Return what somebody has signed who could, or what is wrong; see `papers.judge`.

    Args:
        content: The version's bytes.
        version: Its date, the store's, decides of revoked signers.
        archive: Whose checkpoint it is.
        signers: Who may sign.
        stated: When its part was made by its own word, for a copy without dates.
    """
    try:
        head = open_checkpoint(content, verifier_keys(archive), where=version.key)
        signatures = parse_note(content, where=version.key).signatures
    except TamperedError:
        return Fault(code="signature-invalid")
    made = version.written_at if signers.dated else stated
    by = [
        number
        for number, public_key in signers.public_keys.items()
        for key in [VerifierKey(name=head.origin, public_key=public_key)]
        if any(one.is_by(key) for one in signatures)
    ]
    gone = [one for one in by if made and one in signers.revoked and made >= signers.revoked[one]]
    if gone and gone == by:
        return Fault(code="signer-revoked", params={"signer": gone[0]})
    return head


def _of_memory(book: Book, archive: Archive, listing: Listing) -> Iterator[Finding]:
    """Compare the ledger with this host's copy, which is not changed."""
    known = LocalCopy.of(archive).changed(archive)
    if known is None or known.last is None:
        return
    if known.size > book.size:
        if known.last.key not in listing.versions and listing.look_again(known.last.key):
            return  # a run has added to it meanwhile
        yield found("rollback", key=known.last.key, who=HERE)
    elif book.roots.get(known.size, known.root) != known.root:
        yield found("rewritten", key=known.last.key, who=HERE)


# --- documents ----------------------------------------------------------------------------------


def compare(
    book: Book,
    listing: Listing,
    chain: Chain,
    digests: Mapping[str, str],
    concerned: Callable[[str], Touched],
) -> Iterator[Finding]:
    """Compare what the ledger has with what is there.

    Args:
        book: The ledger.
        listing: What the store has.
        chain: The manifests.
        digests: Of the documents that were read and count, by key.
        concerned: Whom a document concerns.
    """
    manifests = 0
    for entry in book.entries:
        if entry.kind == "manifest":
            number = layout.manifest_number(entry.key) or 0
            if number != manifests + 1:
                yield found("ledger-gap", key=entry.key, what=layout.manifest_key(manifests + 1))
            manifests = number
        touched = concerned(entry.key)
        if not touched.days and entry.day is not None:
            touched = Touched(days=(entry.day,))
        digest = digests.get(entry.key)
        yield from _of_entry(entry, book, listing, chain, digest=digest, touched=touched)
    if book.entries or chain.papers:
        behind = [one for one in chain.papers if one.document.number > manifests]
        if behind:
            yield found("ledger-behind", key=behind[0].key, what=behind[0].key)


def _of_entry(
    entry: LedgerEntry,
    book: Book,
    listing: Listing,
    chain: Chain,
    *,
    digest: str | None,
    touched: Touched,
) -> Iterator[Finding]:
    where: dict[str, Any] = {"key": entry.key, "touched": touched}
    there = entry.key in listing.versions or listing.look_again(entry.key)
    number = layout.manifest_number(entry.key)
    if number is not None and number > chain.last and digest is None:
        if there and entry.key not in chain.listed:
            # It came while the store was read; the next verification reads it.
            book.later.add(number)
        else:
            yield found("rollback", who=LEDGER, **where)
    elif not there:
        yield found("entry-missing", number=entry.number, **where)
    elif digest not in (None, entry.sha256):
        yield found("entry-differs", number=entry.number, **where)
