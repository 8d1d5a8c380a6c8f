"""Who may sign, and every signed document beside the manifests.

Responsible for the anchor, the certificates and revocations of signers, cohorts, lock proofs,
reconciliations, access parts and retirements: all their versions, signatures, places and locks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

from archiver import keyring, layout, retention
from archiver.archive import EVIDENCE_YEARS
from archiver.errors import KeyUnavailableError, LockNotHonouredError, ObjectMissingError, Said
from archiver.keyring import ROOT_OF, KeyPair
from archiver.ports import ObjectStore, StoredObject, VersionEntry
from archiver.retention import MINIMUM_YEARS, Rule
from archiver.verification.findings import Finding, Touched, found
from archiver.verification.listing import Listing, is_ours
from archiver.verification.objects import Flaw, of_dates
from archiver.verification.papers import (
    Fault,
    Form,
    Paper,
    Signers,
    examine,
    judge,
    read,
    told,
)
from archiver.verification.reading import Reader
from schemas.documents import (
    AccessPart,
    Archive,
    Cohort,
    LockProof,
    Manifest,
    Reconciliation,
    Retirement,
    Revocation,
    Sighting,
    Signer,
)

SIGNER: Final = Form(
    kind="signer", model=Signer, belongs=lambda one, key: layout.signer_key(one.number) == key
)
REVOCATION: Final = Form(
    kind="revocation",
    model=Revocation,
    belongs=lambda one, key: layout.revocation_key(one.number) == key,
)
COHORT: Final = Form(
    kind="cohort", model=Cohort, belongs=lambda one, key: layout.cohort_key(one.cohort) == key
)
PROOF: Final = Form(
    kind="lock-proof", model=LockProof, belongs=lambda one, key: layout.proof_key(one.number) == key
)
FORMS: Final[Mapping[str, Form[Any]]] = {
    layout.COHORTS: COHORT,
    "proofs/": PROOF,
    layout.RECONCILIATIONS: Form(
        kind="reconciliation",
        model=Reconciliation,
        belongs=lambda one, key: layout.reconciliation_key(one.number) == key,
    ),
    layout.ACCESS: Form(
        kind="access",
        model=AccessPart,
        belongs=lambda one, key: layout.access_key(one.node, one.part) == key,
    ),
    layout.RETIREMENTS: Form(
        kind="retirement",
        model=Retirement,
        belongs=lambda one, key: layout.retirement_key(one.source) == key,
    ),
    layout.SIGHTINGS: Form(
        kind="sighting",
        model=Sighting,
        belongs=lambda one, key: layout.sighting_place(key) == (one.source, one.day),
    ),
}
"""By what their keys begin with; manifests and signers come first and apart."""
_EVIDENCE_MARGIN: Final = timedelta(days=1)
"""Between a document's date and the instant at which its lock was counted."""
_LONGEST_MARGIN: Final = timedelta(days=366)
"""Of what was written under rules that nobody knows any more."""
_COHORT_TAIL: Final = "-12345678.json"


def trusted(
    document: Archive, anchor: bytes, listing: Listing, reader: Reader, *, dated: bool
) -> tuple[Signers, list[Finding]]:
    """Return who may sign, and what is wrong with the anchor and the certificates.

    Args:
        document: The archive's, from this host.
        anchor: Its bytes.
        listing: What the store has.
        reader: Fetches it.
        dated: Versions have the store's own dates.
    """
    findings = list(_of_anchor(anchor, listing, reader))
    keys: dict[int, bytes] = {}
    revoked: dict[int, datetime] = {}
    for key in listing.below(layout.SIGNERS):
        versions = listing.versions[key]
        if layout.signer_number(key) is not None:
            signer = _by_identity(document, versions, SIGNER, reader, findings)
            if signer is not None:
                keys[signer.document.number] = bytes.fromhex(signer.document.public_key)
        elif layout.revoked_number(key) is not None:
            gone = _by_identity(document, versions, REVOCATION, reader, findings)
            if gone is not None:
                revoked[gone.document.number] = gone.document.revoked_at
    signers = Signers(archive=document.archive, public_keys=keys, revoked=revoked, dated=dated)
    return signers, findings


def _of_anchor(anchor: bytes, listing: Listing, reader: Reader) -> Iterator[Finding]:
    versions = listing.versions.get(layout.ARCHIVE, ())
    if not versions:
        yield found("archive-missing", key=layout.ARCHIVE)
    for place, version in enumerate(versions):
        same = reader.get(version) == anchor
        where = {"key": layout.ARCHIVE, "version_id": version.version_id}
        if not same:
            yield found("another-archive" if place == 0 else "shadowed", **where)  # type: ignore[arg-type]
        elif place:
            yield found("repeated-version", **where)  # type: ignore[arg-type]


def _by_identity(
    document: Archive,
    versions: Sequence[VersionEntry],
    form: Form[Any],
    reader: Reader,
    findings: list[Finding],
) -> Paper[Any] | None:
    """Return the earliest version that the identity key has signed."""
    identity = bytes.fromhex(document.identity_public_key)

    def judged(content: bytes, version: VersionEntry) -> Paper[Any] | Fault:
        one = read(content, form, identity, version, 0)
        if isinstance(one, Paper) and one.document.archive != document.archive:
            return Fault(code="misplaced")
        return one

    examined = examine(versions, reader.get, judged)
    findings += told(examined, Touched())
    return examined.counting


@dataclass(slots=True)
class Documents:
    """The signed documents that count."""

    papers: dict[str, Paper[Any]] = field(default_factory=dict)
    """By key."""

    @property
    def last_proof(self) -> LockProof | None:
        """The lock proof with the highest number."""
        proofs = [
            one.document for one in self.papers.values() if isinstance(one.document, LockProof)
        ]
        return max(proofs, key=lambda one: one.number, default=None)

    @property
    def cohorts(self) -> Mapping[str, Paper[Cohort]]:
        """Cohorts by name."""
        return {
            one.document.cohort: one
            for one in self.papers.values()
            if isinstance(one.document, Cohort)
        }


def read_documents(
    listing: Listing,
    reader: Reader,
    signers: Signers,
    touched: Callable[[str], Touched],
    wanted: Callable[[str], bool],
) -> tuple[Documents, list[Finding]]:
    """Read the signed documents of all other kinds.

    Args:
        listing: What the store has.
        reader: Fetches them.
        signers: Who may sign.
        touched: Whom a document concerns, by its key.
        wanted: Whether a key is to be read; one with several versions always is.
    """
    made = Documents()
    findings: list[Finding] = []
    for prefix, form in FORMS.items():
        keys = [
            key
            for key in listing.below(prefix)
            if key.endswith(".json")
            and is_ours(key)
            and (wanted(key) or len(listing.versions[key]) > 1)
        ]
        for key, content in reader.each(keys, lambda key: reader.get(listing.versions[key][0])):
            versions = listing.versions[key]
            contents = partial(_either, content, versions[0], reader)
            examined = examine(versions, contents, partial(judge, signers, form))
            findings += told(examined, touched(key))
            if examined.counting is not None:
                made.papers[key] = examined.counting
    return made, findings


def _either(content: bytes, first: VersionEntry, reader: Reader, version: VersionEntry) -> bytes:
    return content if version is first else reader.get(version)


# --- locks --------------------------------------------------------------------------------------


def check_locks(
    store: ObjectStore,
    threads: Executor,
    papers: Sequence[tuple[str, str, datetime, datetime]],
    touched: Callable[[str], Touched],
    *,
    compliance: bool,
) -> Iterator[Finding]:
    """Look at the locks of documents.

    Args:
        store: The store.
        threads: Several are asked for at a time.
        papers: Key, version id, and the dates that its lock must reach and may reach.
        touched: Whom a document concerns.
        compliance: A version without a COMPLIANCE lock is a finding.
    """

    def look(one: tuple[str, str, datetime, datetime]) -> StoredObject | Flaw | None:
        try:
            return store.head(one[0], one[1])
        except LockNotHonouredError as error:
            return Flaw(code="lock-mode", params={"detail": error.params["detail"]})
        except ObjectMissingError:
            return None  # gone since it was listed: the next listing tells

    for (key, version_id, least, most), lock in zip(papers, threads.map(look, papers), strict=True):
        flaws: list[Flaw] = []
        if isinstance(lock, Flaw):
            flaws = [lock] if compliance else []
        elif lock is not None:
            flaws = list(of_dates(lock, least, most))
        for flaw in flaws:
            yield found(
                flaw.code,
                key=key,
                version_id=version_id,
                touched=touched(key),
                **flaw.params,
            )


def promised(
    key: str, made: datetime, manifest: Manifest | None, longest_years: int
) -> tuple[datetime, datetime]:
    """Return the dates that a document's lock must reach, and may reach at most.

    Args:
        key: The document's.
        made: When it was written, by the store's clock.
        manifest: What it says, if it is one: it names its own rule.
        longest_years: The longest class that this archive has ever had.
    """
    if key.startswith(layout.COHORTS):
        end = retention.cohort_end(key.removeprefix(layout.COHORTS)[: -len(_COHORT_TAIL)])
        return end, end
    shortest, longest = MINIMUM_YEARS + EVIDENCE_YEARS, longest_years + EVIDENCE_YEARS
    least = Rule(years=shortest, margin=timedelta())
    if manifest is not None:
        margin = timedelta(days=manifest.retention_margin_days)
        least = Rule(years=manifest.retention_years + EVIDENCE_YEARS, margin=margin)
        made = manifest.created_at
    elif key.startswith(layout.ACCESS):
        longest = MINIMUM_YEARS
        least = Rule(years=MINIMUM_YEARS, margin=timedelta())
    most = Rule(years=longest, margin=_LONGEST_MARGIN)
    return (
        retention.retain_until(made, least),
        retention.retain_until(made + _EVIDENCE_MARGIN, most),
    )


# --- cohorts ------------------------------------------------------------------------------------

Opened = Mapping[str, Mapping[Literal["base", "reveal", "index"], KeyPair]]


def open_cohorts(
    cohorts: Mapping[str, Paper[Cohort]], root: KeyPair, touched: Callable[[str], Touched]
) -> tuple[Opened, list[Finding]]:
    """Open every cohort's keys that the base root opens, and see that halves belong together."""
    opened: dict[str, dict[Literal["base", "reveal", "index"], KeyPair]] = {}
    findings = []
    for name, paper in cohorts.items():
        opened[name] = {}
        for which, of_root in ROOT_OF.items():
            if of_root != "base" or which not in paper.document.keys:
                continue
            where: dict[str, Any] = {
                "key": paper.key,
                "version_id": paper.version.version_id,
                "touched": touched(paper.key),
            }
            try:
                pair = keyring.open_cohort_key(paper.document, which, root)
            except KeyUnavailableError as error:
                detail = Said(error.text("en"), error.text("zh"))
                findings.append(found("key-closed", detail=detail, **where))
                continue
            if pair.public_key != keyring.public_half(paper.document.keys[which]):
                findings.append(found("key-swapped", name=which, **where))
                continue
            opened[name][which] = pair
    return opened, findings
