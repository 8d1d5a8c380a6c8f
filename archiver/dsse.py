"""Signed documents: DSSE envelopes with Ed25519 (FORMAT.md 3).

Responsible for the one argument "these bytes were signed by this key": the payload is
returned only after its signature holds, and callers parse nothing else. Pure.

Source: Dead Simple Signing Envelope, protocol and envelope v1 (secure-systems-lab/dsse).
"""

import base64
import json
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from archiver.errors import Said, TamperedError

_TYPE: Final = "application/vnd.order-archive.{kind}.v1+json"
_LONGEST_KEY_ID: Final = 64
_NO_ENVELOPE: Final = (ValueError, KeyError, IndexError, TypeError, RecursionError)
"""What parsing hostile bytes ends in; the last one when they nest without end."""


def sign(payload: bytes, kind: str, key_id: str, private_key: Ed25519PrivateKey) -> bytes:
    """Return the envelope around `payload`.

    Args:
        payload: The document's exact bytes.
        kind: The document's kind; bound by the signature.
        key_id: Who signs: `identity`, or the signer's number. A hint, not trusted.
        private_key: The signing key.
    """
    payload_type = _TYPE.format(kind=kind)
    signature = private_key.sign(_pre_authentication(payload_type, payload))
    envelope = {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1).encode() + b"\n"


def claimed_key_id(envelope: bytes, *, where: str) -> str:
    """Return which key the envelope says it was signed with, to look that key up.

    Raises:
        TamperedError: This is no envelope.
    """
    try:
        claimed = str(json.loads(envelope)["signatures"][0]["keyid"])
    except _NO_ENVELOPE:
        claimed = ""
    # It is shown to people: anybody may have written it, a terminal's control codes included.
    if not claimed.isprintable() or not 0 < len(claimed) <= _LONGEST_KEY_ID:
        raise TamperedError(key=where, detail=Said("not a signed document", "不是已签名的文档"))
    return claimed


def unverified_payload(envelope: bytes, *, where: str) -> bytes:
    """Return what an envelope carries, trusting nothing: for a document that names its own key.

    Raises:
        TamperedError: This is no envelope.
    """
    try:
        return base64.b64decode(json.loads(envelope)["payload"], validate=True)
    except _NO_ENVELOPE:
        raise TamperedError(
            key=where, detail=Said("not a signed document", "不是已签名的文档")
        ) from None


def verify(envelope: bytes, kind: str, public_key: bytes, *, where: str) -> bytes:
    """Return the payload of an envelope of `kind` that `public_key` signed.

    Args:
        envelope: Bytes from outside.
        kind: The kind that is expected; another one is refused.
        public_key: 32 raw bytes, from a source that is already trusted.
        where: The object's key, for the error.

    Raises:
        TamperedError: No envelope, another kind, or no valid signature.
    """
    try:
        fields = json.loads(envelope)
        payload_type = fields["payloadType"]
        payload = base64.b64decode(fields["payload"], validate=True)
        signature = base64.b64decode(fields["signatures"][0]["sig"], validate=True)
    except _NO_ENVELOPE:
        raise TamperedError(
            key=where, detail=Said("not a signed document", "不是已签名的文档")
        ) from None
    if payload_type != _TYPE.format(kind=kind):
        raise TamperedError(key=where, detail=Said(f"not a {kind}", f"不是 {kind} 文档"))
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signature, _pre_authentication(payload_type, payload)
        )
    except (InvalidSignature, ValueError):
        raise TamperedError(
            key=where, detail=Said("the signature does not hold", "签名无效")
        ) from None
    return payload


def _pre_authentication(payload_type: str, payload: bytes) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
