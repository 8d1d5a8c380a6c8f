"""The proof of one order, as a file for a stranger (FORMAT.md, "Proof").

Responsible for the shape of the file: what is shown of a row as fields that anybody can read,
what is withheld as the commitment that the row's leaf holds in its place. Pure. What is handed
out was verified by the same script that whoever receives it will run.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from archiver.canonical import salts
from schemas.verify_proof import PARTS, commitment, verify

FORMAT: Final = "order-proof/1"
WITHHELD: Final = ("buyer", "secret")
"""The parts of a leaf that can be withheld: each is a salted commitment of its own."""

Part = Mapping[str, Any]
"""A part of an order as it stands in a proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """What a witness has signed under a checkpoint."""

    key: str
    """The witness's verifier key."""
    line: str
    """The signature line, without its line end."""
    name: str = ""
    """What this archive calls the witness."""
    at: str = ""
    """When it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStamp:
    """What an authority has stamped."""

    token: bytes
    """TimeStampResp, DER."""
    certificates: Sequence[bytes]
    """DER: who signed it, then each issuer, the root last."""
    name: str = ""
    """What this archive calls the authority."""
    at: str = ""
    """When it was stamped."""

    def fields(self) -> dict[str, Any]:
        """Return it as it stands in a proof."""
        return {
            "token": base64.b64encode(self.token).decode(),
            "certificates": [base64.b64encode(one).decode() for one in self.certificates],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a proof consists of beside the order."""

    partition: str
    row: int
    partition_path: Sequence[bytes]
    manifest: bytes
    """Like all documents here the envelope's exact bytes."""
    entry: str
    """The exact text of the ledger's entry."""
    ledger_path: Sequence[bytes]
    checkpoint: bytes
    signers: Sequence[bytes]
    archive: bytes
    cosignatures: Sequence[Cosignature] = ()
    timestamps: Sequence[TimeStamp] = ()


def order_parts(
    order: pa.Table, kek: bytes, row: int, *, withheld: Collection[str], secret: Part | None = None
) -> dict[str, Part]:
    """Return the parts of an order, those that are withheld as commitments.

    Args:
        order: One row of ORDER_V1, with or without the reveal columns.
        kek: Its partition's base KEK, from which the salts are derived.
        row: Its place in the partition.
        withheld: Names of parts.
        secret: What the revealing process has given, unless it is withheld.
    """
    (values,) = order.to_pylist()
    parts: dict[str, Part] = {
        name: part(name, values, salts(kek, name, row, 1).tobytes())
        for name in ("transaction", "buyer")
    }
    if "buyer" in withheld:
        parts["buyer"] = {"commitment": commitment("buyer", parts["buyer"]).hex()}
    if secret is None or "secret" in withheld:
        secret = {"commitment": values["secret_commitment"].hex()}
    return {**parts, "secret": secret}


def part(name: str, values: Mapping[str, Any], salt: bytes) -> Part:
    """Return a part of an order that is shown.

    Args:
        name: `transaction`, `buyer` or `secret`.
        values: The row.
        salt: The row's, of this part.
    """
    return {"salt": salt.hex(), "fields": _fields(PARTS[name], values)}


def written(parts: Mapping[str, Part], evidence: Evidence) -> bytes:
    """Return the file, after the script for strangers has verified it.

    Raises:
        Exception: Whatever that script raises: this would prove nothing.
    """
    proof = {
        "proof": FORMAT,
        "order": parts,
        "partition": {
            "key": evidence.partition,
            "row": evidence.row,
            "path": [node.hex() for node in evidence.partition_path],
        },
        "manifest": evidence.manifest.decode(),
        "ledger": {
            "entry": evidence.entry,
            "path": [node.hex() for node in evidence.ledger_path],
            "checkpoint": evidence.checkpoint.decode(),
        },
        "signers": [one.decode() for one in evidence.signers],
        "archive": evidence.archive.decode(),
        "witnesses": [{"key": one.key, "cosignature": one.line} for one in evidence.cosignatures],
        "timestamps": [one.fields() for one in evidence.timestamps],
    }
    content = with_digest(proof)
    tuple(verify(content, None, (), ()))
    return content


def with_digest(proof: Mapping[str, Any]) -> bytes:
    """Return a proof as its file has it: in one form only, its digest at its end.

    The digest tells damage at once. It proves nothing: whoever changes the file can make it anew.
    """
    text = _json({**proof, "sha256": ""})
    digest = hashlib.sha256(text.rpartition(",\n")[0].encode()).hexdigest()
    return _json({**proof, "sha256": digest}).encode()


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _fields(kinds: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, kind in kinds.items():
        value: Any = values
        for step in name.split("."):
            value = None if value is None else value[step]
        if isinstance(kind, dict) and value is not None:
            nothing = dict.fromkeys(kind)
            fields[name] = [_fields(kind, one if one is not None else nothing) for one in value]
        else:
            fields[name] = _plain(value)
    return fields


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Decimal():
            return f"{value:.2f}"
        case bytes():
            return value.hex()
        case _:
            return value
