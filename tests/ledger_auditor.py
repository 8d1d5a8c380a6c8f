"""An auditor of the ledger, who trusts nothing but FORMAT.md: written without our own code."""

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from archiver.ports import ObjectStore
from tests import format_reader

Fields = Mapping[str, Any]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, over leaf hashes, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def complete_subtrees(leaves: Sequence[bytes]) -> list[str]:
    """Return the roots of the largest complete subtrees, left to right."""
    found, start = [], 0
    while start < len(leaves):
        width = 1
        while start + width * 2 <= len(leaves):
            width *= 2
        found.append(root_of(leaves[start : start + width]).hex())
        start += width
    return found


def audit_ledger(store: ObjectStore, archive: Fields) -> list[Fields]:
    """Check the whole ledger and return its entries.

    The last part may lack its checkpoint: a run died there, and the next one signs it.

    Args:
        store: The archive's.
        archive: The document in `archive.json`, verified.
    """
    fetch, names = format_reader.fetch_from(store), format_reader.names()
    identity = archive["identity_public_key"]
    keys = {version.key for version in store.list_versions("")}
    signers = [
        names["verified"](fetch(key, None), "signer", identity)["public_key"]
        for key in keys
        if re.fullmatch(r"signers/[0-9]{4}\.json", key)
    ]
    texts: list[str] = []
    unsigned = False
    while (key := f"ledger/{len(texts):08d}.json") in keys:
        assert not unsigned, f"a part before {key} has no checkpoint"
        part = names["signed"](fetch, key, "ledger", identity)
        assert (part["archive"], part["first"]) == (archive["archive"], len(texts))
        assert part["frontier"] == complete_subtrees(_leaves(texts))
        assert part["entries"]
        texts += part["entries"]
        unsigned = f"checkpoints/{len(texts)}" not in keys
        if not unsigned:
            note = fetch(f"checkpoints/{len(texts)}", None)
            _audit_checkpoint(note, archive["archive"], _leaves(texts), signers)
    entries = [json.loads(text) for text in texts]
    for number, entry in enumerate(entries):
        assert entry["number"] == number
        # By its digest: a copy that was sent again after a loss is the same document.
        versions = (v for v in store.list_versions(entry["key"]) if v.key == entry["key"])
        contents = (store.get(v.key, v.version_id) for v in versions if not v.is_delete_marker)
        assert entry["sha256"] in {hashlib.sha256(content).hexdigest() for content in contents}
    once = [(entry["kind"], entry["key"]) for entry in entries]
    assert len(set(once)) == len(once), "an object is entered twice"
    manifests = [entry["key"] for entry in entries if entry["kind"] == "manifest"]
    assert manifests == [f"manifests/{n:08d}.json" for n in range(1, len(manifests) + 1)]
    parts = {key for key in keys if re.fullmatch(r"ledger/[0-9]{8}.*\.json", key)}
    assert max(parts, default="") < f"ledger/{len(texts):08d}", "a part that continues nothing"
    return entries


def _leaves(texts: Sequence[str]) -> list[bytes]:
    return [hashlib.sha256(b"\x00" + text.encode()).digest() for text in texts]


def _audit_checkpoint(
    note: bytes, archive: str, leaves: Sequence[bytes], signers: Sequence[str]
) -> None:
    text, _, line = note.decode().partition("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, size) == (f"order-archive/{archive}", str(len(leaves)))
    assert b64decode(root, validate=True) == root_of(leaves)
    dash, name, signature = line.removesuffix("\n").split(" ")
    assert (dash, name) == ("—", origin)
    signed = b64decode(signature, validate=True)
    (public_key,) = (
        bytes.fromhex(key)
        for key in signers
        if hashlib.sha256(f"{name}\n\x01".encode() + bytes.fromhex(key)).digest()[:4] == signed[:4]
    )
    Ed25519PublicKey.from_public_bytes(public_key).verify(signed[4:], f"{text}\n".encode())
