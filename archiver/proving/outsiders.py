"""Who outside of the archive has seen a checkpoint, and whose word a stranger can check.

Responsible for taking from the store what witnesses and time-stamping authorities have left there
and for checking each as a proof's reader will. What does not hold is left out, and told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from archiver import layout
from archiver.bounded_get import document_bytes
from archiver.errors import ArchiverError, Said, TamperedError
from archiver.ledger import StoredCheckpoint
from archiver.ports import ObjectStore, VersionEntry
from archiver.proof import Cosignature, TimeStamp
from archiver.signed_note import VerifierKey, parse_signatures, verify_cosignature
from schemas.verify_proof import elements, stamped_at

T = TypeVar("T")
Who = tuple[str, str]
"""`witness` or `authority`, and its name."""
Seen = Mapping[Who, Sequence[VersionEntry]]
"""What lies where outsiders leave their answers under one checkpoint, oldest first."""

_CERTIFICATES: Final = 0xA0
"""The tag of `certificates` in SignedData (RFC 5652, 5.1)."""
TRIED: Final = 20
"""Versions of one answer: anybody who may write to the store can put some in front."""
LONGEST_ANSWER: Final = 64 << 10
"""Bytes. Signature lines and tokens have some kilobytes; what is larger is none and is not read."""
_LONGEST: Final = 8
"""Certificates in a chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsiders:
    """Who may have seen a checkpoint, and by what that is checked."""

    witnesses: Mapping[str, Sequence[VerifierKey]] = field(default_factory=dict)
    """Keys of those that sign, by name."""
    authorities: Mapping[str, Sequence[x509.Certificate]] = field(default_factory=dict)
    """Certificates of time-stamping authorities, roots and what stands between, by name."""

    def sizes(self, store: ObjectStore, own: int) -> Iterator[tuple[int, Seen]]:
        """Yield sizes of checkpoints that were seen: those that most have seen in front.

        Of equals the earliest. Where all have seen `own` there is no need to look further.

        Args:
            store: The archive's.
            own: The size of the checkpoint that came first behind an entry.
        """
        most = len(self.witnesses) + len(self.authorities)
        found = self._listed(store, f"{own}/")
        if len(found.get(own, ())) < most:
            found = self._listed(store, "")
        for size in sorted(found, key=lambda size: (-len(found[size]), size)):
            yield size, found[size]

    def _listed(self, store: ObjectStore, below: str) -> dict[int, dict[Who, list[VersionEntry]]]:
        found: dict[int, dict[Who, list[VersionEntry]]] = {}
        for kind, folder, place_of, names in (
            ("witness", layout.COSIGNATURES, layout.cosignature_place, self.witnesses),
            ("authority", layout.TIMESTAMPS, layout.timestamp_place, self.authorities),
        ):
            for version in store.list_versions(folder + below) if names else ():
                place = place_of(version.key)
                if place is not None and place[1] in names and not version.is_delete_marker:
                    size, name = place
                    found.setdefault(size, {}).setdefault((kind, name), []).append(version)
        for seen in found.values():
            for versions in seen.values():
                versions.sort(key=lambda version: (version.written_at, version.key))
        return found

    def cosignatures(
        self,
        store: ObjectStore,
        checkpoint: StoredCheckpoint,
        seen: Seen,
        alarms: list[ArchiverError],
    ) -> Iterator[Cosignature]:
        """Yield what witnesses have signed, verified.

        Args:
            store: The archive's.
            checkpoint: Under which.
            seen: What was left under it.
            alarms: There goes what does not hold, where nothing else does.
        """
        for name, keys in self.witnesses.items():

            def verified(
                content: bytes, key: str, name: str = name, keys: Sequence[VerifierKey] = keys
            ) -> list[Cosignature]:
                lines = parse_signatures(content.decode(), where=key)
                text = checkpoint.head.text
                return [
                    Cosignature(
                        key=str(known),
                        line=str(line),
                        name=name,
                        at=verify_cosignature(text, line, known, where=key).isoformat(),
                    )
                    for line in lines
                    for known in keys
                    if line.is_by(known)
                ]

            yield from _first(store, seen.get(("witness", name), ()), verified, alarms) or ()

    def timestamps(
        self,
        store: ObjectStore,
        checkpoint: StoredCheckpoint,
        seen: Seen,
        alarms: list[ArchiverError],
    ) -> Iterator[TimeStamp]:
        """Yield what authorities have stamped, verified; see `cosignatures`."""
        for name, trusted in self.authorities.items():

            def verified(
                content: bytes, _key: str, trusted: Sequence[x509.Certificate] = trusted
            ) -> TimeStamp:
                return time_stamp(content, trusted, checkpoint.note)

            stamp = _first(store, seen.get(("authority", name), ()), verified, alarms)
            if stamp is not None:
                yield replace(stamp, name=name)


def _first(
    store: ObjectStore,
    versions: Sequence[VersionEntry],
    verified: Callable[[bytes, str], T],
    alarms: list[ArchiverError],
) -> T | None:
    """Return the first of several versions that verifies: anybody may have put one in front."""
    failures: list[ArchiverError] = []
    for version in [one for one in versions if one.size_bytes <= LONGEST_ANSWER][:TRIED]:
        content = document_bytes(store, version)
        try:
            found = verified(content, version.key)
        except Exception as error:  # noqa: BLE001  whatever others' bytes end in
            failures.append(_left_out(version.key, error))
        else:
            if found:  # else a key signed it that is no longer configured
                return found
    alarms += failures[:1]
    return None


def _left_out(key: str, error: Exception) -> TamperedError:
    said = str(error) or type(error).__name__
    return TamperedError(key=key, detail=Said(f"left out: {said}", f"未纳入证明：{said}"))


def time_stamp(response: bytes, trusted: Sequence[x509.Certificate], content: bytes) -> TimeStamp:
    """Return a time stamp with the certificates that its reader needs, verified as he will.

    Args:
        response: TimeStampResp, DER.
        trusted: The authority's roots, and others that may stand between.
        content: What was stamped.

    Raises:
        Exception: It does not hold, or rests on none of these certificates.
    """
    signed = elements(response, 0, 1, 1, 0)
    carried = next((whole for whole, _ in signed if whole[0] == _CERTIFICATES), b"")
    embedded = [x509.load_der_x509_certificate(whole) for whole, _ in elements(carried, 0)]
    known = [*embedded, *trusted]
    for signer in known:
        chain = _chain(signer, known)
        stamp = TimeStamp(
            token=response, certificates=[one.public_bytes(Encoding.DER) for one in chain]
        )
        if chain[-1] not in trusted:
            continue
        with suppress(Exception):  # this one has not signed it
            return replace(stamp, at=stamped_at(stamp.fields(), content)[1])
    message = "no authority that this host trusts has signed it"
    raise ValueError(message)


def _chain(signer: x509.Certificate, known: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return a certificate and those that certify it, as far as they are known."""
    chain = [signer]
    while chain[-1].issuer != chain[-1].subject and len(chain) < _LONGEST:
        issuers = [one for one in known if one.subject == chain[-1].issuer]
        if not issuers:
            break
        chain.append(issuers[0])
    return chain
