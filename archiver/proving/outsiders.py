"""Who outside of the archive has seen a checkpoint, and whose word a stranger can check.

Responsible for taking from the store what witnesses and time-stamping authorities have left there
and for checking each as a proof's reader will. What does not hold is left out, and told.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from archiver import layout
from archiver.errors import ArchiverError, Said, TamperedError
from archiver.ledger import StoredCheckpoint
from archiver.ports import ObjectStore, VersionEntry
from archiver.proof import Cosignature, TimeStamp
from archiver.signed_note import VerifierKey, parse_signatures, verify_cosignature
from schemas.verify_proof import elements, stamped_at

Seen = Mapping[str, VersionEntry]
"""What outsiders have left under one checkpoint, by key."""

_CERTIFICATES: Final = 0xA0
"""The tag of `certificates` in SignedData (RFC 5652, 5.1)."""
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

    def _listed(self, store: ObjectStore, below: str) -> dict[int, dict[str, VersionEntry]]:
        found: dict[int, dict[str, VersionEntry]] = {}
        for folder, end, names in (
            (layout.COSIGNATURES, "", self.witnesses),
            (layout.TIMESTAMPS, ".tsr", self.authorities),
        ):
            for version in store.list_versions(folder + below) if names else ():
                size, _, name = version.key.removeprefix(folder).partition("/")
                ours = size.isdecimal() and name.endswith(end) and name.removesuffix(end) in names
                if ours and not version.is_delete_marker:
                    # Newest first: the earliest version is the one that stays.
                    found.setdefault(int(size), {})[version.key] = version
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
            alarms: What does not hold goes there.
        """
        for name, keys in self.witnesses.items():
            version = seen.get(layout.cosignature_key(checkpoint.size, name))
            if version is None:
                continue
            content = store.get(version.key, version.version_id)
            try:
                for line in parse_signatures(content.decode(), where=version.key):
                    for key in (one for one in keys if line.is_by(one)):
                        text = checkpoint.head.text
                        at = verify_cosignature(text, line, key, where=version.key).isoformat()
                        yield Cosignature(key=str(key), line=str(line), name=name, at=at)
            except (TamperedError, UnicodeDecodeError) as error:
                alarms.append(_left_out(version.key, error))

    def timestamps(
        self,
        store: ObjectStore,
        checkpoint: StoredCheckpoint,
        seen: Seen,
        alarms: list[ArchiverError],
    ) -> Iterator[TimeStamp]:
        """Yield what authorities have stamped, verified; see `cosignatures`."""
        for name, trusted in self.authorities.items():
            version = seen.get(layout.timestamp_key(checkpoint.size, name))
            if version is None:
                continue
            response = store.get(version.key, version.version_id)
            try:
                stamp = time_stamp(response, trusted, checkpoint.note)
            except Exception as error:  # noqa: BLE001  whatever others' bytes end in
                alarms.append(_left_out(version.key, error))
            else:
                yield replace(stamp, name=name)


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
