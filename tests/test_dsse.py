"""Signed documents: what verifies is what was signed, and nothing else."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from archiver import dsse
from archiver.errors import TamperedError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PAYLOAD = b'{"kind": "manifest", "number": 7}\n'
WHERE = "manifests/00000007.json"


def verify(envelope: bytes, kind: str = "manifest", public_key: bytes = PUBLIC) -> bytes:
    return dsse.verify(envelope, kind, public_key, where=WHERE)


def envelope() -> bytes:
    return dsse.sign(PAYLOAD, "manifest", "1", KEY)


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(envelope()) | fields).encode()


def test_the_published_pre_authentication_encoding() -> None:
    # secure-systems-lab/dsse, protocol.md, test vector.
    assert (
        dsse._pre_authentication("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.binary(max_size=200), st.sampled_from(["archive", "signer", "cohort", "manifest"]))
def test_what_was_signed_comes_back(payload: bytes, kind: str) -> None:
    assert verify(dsse.sign(payload, kind, "1", KEY), kind) == payload


def test_an_envelope_is_what_the_standard_says() -> None:
    fields = json.loads(envelope())
    assert set(fields) == {"payloadType", "payload", "signatures"}
    assert fields["payloadType"] == "application/vnd.order-archive.manifest.v1+json"
    assert base64.b64decode(fields["payload"]) == PAYLOAD
    signature = base64.b64decode(fields["signatures"][0]["sig"])
    signed = b"DSSEv1 46 %b %d %b" % (fields["payloadType"].encode(), len(PAYLOAD), PAYLOAD)
    KEY.public_key().verify(signature, signed)


def test_every_flipped_bit_is_refused_or_changes_nothing() -> None:
    sound = envelope()
    harmless = set()
    for position in range(len(sound)):
        for bit in range(8):
            flipped = bytearray(sound)
            flipped[position] ^= 1 << bit
            try:
                assert verify(bytes(flipped)) == PAYLOAD
            except TamperedError:
                continue
            harmless.add(position)
    # What may change: white space, the hint which key it was, base64's unused bits.
    kept = bytes(sound[i] for i in range(len(sound)) if i not in harmless)
    fields = json.loads(sound)
    assert fields["payload"].rstrip("=")[:-1].encode() in kept
    assert fields["payloadType"].encode() in kept


def test_another_kind_is_refused() -> None:
    with pytest.raises(TamperedError, match="not a cohort"):
        verify(envelope(), "cohort")


def test_a_kind_that_was_exchanged_afterwards_is_refused() -> None:
    forged = changed(payloadType="application/vnd.order-archive.cohort.v1+json")
    with pytest.raises(TamperedError, match="signature does not hold"):
        verify(forged, "cohort")


def test_another_key_s_signature_is_refused() -> None:
    with pytest.raises(TamperedError, match="signature does not hold"):
        verify(dsse.sign(PAYLOAD, "manifest", "1", OTHER))


def test_a_public_key_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(TamperedError):
        verify(envelope(), public_key=PUBLIC[:-1])


def test_the_boundary_between_kind_and_payload_is_signed() -> None:
    moved = base64.b64encode(b" " + PAYLOAD).decode()
    with pytest.raises(TamperedError):
        verify(changed(payload=moved))


NO_ENVELOPES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"7",
    b'"text"',
    b"\xff\xfe",
    b"[" * 100_000,
    PAYLOAD,
    changed(payload=None),
    changed(payload="not base64!"),
    changed(payload="卡密"),
    changed(payload=[]),
    changed(signatures=[]),
    changed(signatures={}),
    changed(signatures=None),
    changed(signatures=[7]),
    changed(signatures=[{"keyid": "1"}]),
    changed(signatures=[{"keyid": "1", "sig": "A"}]),
    changed(signatures=[{"keyid": "1", "sig": ""}]),
    changed(signatures=[{"keyid": "1", "sig": 7}]),
    changed(payloadType=None),
    changed(payloadType=[]),
]


@pytest.mark.parametrize("content", NO_ENVELOPES, ids=range(len(NO_ENVELOPES)))
def test_what_is_no_envelope_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(TamperedError, match=WHERE):
        verify(content)


def test_the_hint_says_which_key_to_look_up() -> None:
    assert dsse.claimed_key_id(envelope(), where=WHERE) == "1"
    for content in (b"", b"{}", b"[]", b"[" * 100_000, changed(signatures=[])):
        with pytest.raises(TamperedError, match="not a signed document"):
            dsse.claimed_key_id(content, where=WHERE)


@pytest.mark.parametrize("key_id", ["", "\ud800", "\x1b[2J", "1\n2", "\u202e1", "1" * 65])
def test_a_hint_that_cannot_be_shown_to_people_is_none(key_id: str) -> None:
    content = changed(signatures=[{"keyid": key_id, "sig": "AA=="}])
    with pytest.raises(TamperedError, match="not a signed document"):
        dsse.claimed_key_id(content, where=WHERE)


def test_a_payload_can_be_read_before_its_key_is_known() -> None:
    assert dsse.unverified_payload(envelope(), where=WHERE) == PAYLOAD
    for content in (b"", b"{}", b"[]", b"[" * 100_000, changed(payload="!")):
        with pytest.raises(TamperedError, match="not a signed document"):
            dsse.unverified_payload(content, where=WHERE)
