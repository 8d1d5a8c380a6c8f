"""Signed documents, judged one version at a time: who signed it, and is it in its own place?

Responsible for sorting what is wrong with a document's bytes into codes, and for the rule that of
several versions the earliest that verifies counts. A reader raises at the first fault; here all
versions are looked at and each fault is told.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from archiver import dsse
from archiver.errors import Said, TamperedError
from archiver.ports import VersionEntry
from archiver.signed_documents import parse
from archiver.verification.findings import Finding, Touched, found
from schemas.documents import Document

D = TypeVar("D", bound=Document)
_SIGNER: Final = re.compile(r"[0-9]{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Who may sign, and until when."""

    archive: str
    public_keys: Mapping[int, bytes]
    revoked: Mapping[int, datetime]
    dated: bool = True
    """Versions have the store's dates; else (plain files) documents' own are believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(Generic[D]):
    """A document that verifies, and where it stands."""

    document: D
    key: str
    version: VersionEntry
    sha256: str
    """Of the envelope's bytes."""
    signer: int
    """0: the identity key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a version does not count."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[D]):
    """One kind of document."""

    kind: str
    model: type[D]
    belongs: Callable[[D, str], bool]
    """Whether a key is its own place."""


def judge(
    signers: Signers, form: Form[D], content: bytes, version: VersionEntry
) -> "Paper[D] | Fault":
    """Return the document in an envelope that one of our signers signed, or what is wrong.

    Args:
        signers: Ours.
        form: What is expected.
        content: Bytes from the store.
        version: Which bytes; its date is the store's, and decides of revoked signers.
    """
    key = version.key
    try:
        claimed = dsse.claimed_key_id(content, where=key)
    except TamperedError as error:
        return Fault(code="malformed", params={"detail": _detail(error)})
    number = int(claimed) if _SIGNER.fullmatch(claimed) else 0
    public_key = signers.public_keys.get(number)
    if public_key is None:
        return Fault(code="signer-unknown", params={"signer": claimed[:16]})
    made = read(content, form, public_key, version, number)
    if isinstance(made, Fault):
        return made
    if getattr(made.document, "archive", None) != signers.archive:
        return Fault(code="misplaced")
    revoked = signers.revoked.get(number)
    own: datetime = getattr(made.document, "created_at", version.written_at)
    if revoked is not None and (version.written_at if signers.dated else own) >= revoked:
        return Fault(code="signer-revoked", params={"signer": number})
    return made


def read(
    content: bytes, form: Form[D], public_key: bytes, version: VersionEntry, signer: int
) -> "Paper[D] | Fault":
    """Return the document in an envelope that `public_key` signed, or what is wrong."""
    key = version.key
    try:
        payload = dsse.verify(content, form.kind, public_key, where=key)
    except TamperedError:
        return Fault(code="signature-invalid")
    try:
        document = parse(payload, form.model, key)
    except TamperedError as error:
        return Fault(code="malformed", params={"detail": _detail(error)})
    if not form.belongs(document, key):
        return Fault(code="misplaced")
    return Paper(
        document=document,
        key=key,
        version=version,
        sha256=hashlib.sha256(content).hexdigest(),
        signer=signer,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Generic[D]):
    """All versions of a document."""

    counting: Paper[D] | None
    """The earliest that verifies."""
    others: Sequence[tuple[VersionEntry, "Paper[D] | Fault"]]


def examine(
    versions: Sequence[VersionEntry],
    contents: Callable[[VersionEntry], bytes],
    judged: Callable[[bytes, VersionEntry], "Paper[D] | Fault"],
) -> Examined[D]:
    """Judge every version of a key.

    Args:
        versions: Of one key, the oldest first.
        contents: Returns a version's bytes.
        judged: Judges them.
    """
    counting = None
    others: list[tuple[VersionEntry, Paper[D] | Fault]] = []
    for version in versions:
        one = judged(contents(version), version)
        if counting is None and isinstance(one, Paper):
            counting = one
        else:
            others.append((version, one))
    return Examined(counting=counting, others=others)


def told(examined: Examined[D], touched: Touched, *, twice: str = "shadowed") -> Iterator[Finding]:
    """Yield what there is to say about versions that do not count.

    Args:
        examined: The versions.
        touched: Whom the document concerns.
        twice: The code for a second one that verifies, too.
    """
    counting = examined.counting
    for version, one in examined.others:

        def said(code: str, version: VersionEntry = version, **params: Any) -> Finding:  # noqa: ANN401
            return found(
                code, key=version.key, version_id=version.version_id, touched=touched, **params
            )

        if isinstance(one, Fault):
            yield said(one.code, **one.params)
        elif counting is not None and one.sha256 == counting.sha256:
            yield said("repeated-version")
            continue
        elif twice != "shadowed":
            yield said(twice)
        if counting is not None and version.written_at >= counting.version.written_at:
            yield said("shadowed")


def _detail(error: TamperedError) -> object:
    detail = error.params.get("detail", "")
    return detail if isinstance(detail, Said) else str(detail)
