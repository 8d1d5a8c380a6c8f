"""What an authority has stamped is checked by the script as OpenSSL checks it."""

import io
import json
import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from archiver import layout
from archiver.proof import TimeStamp
from archiver.proving import Outsiders, time_stamp
from schemas.verify_proof import stamped_at
from tests.proving.exhibits import (
    SEEN_BY_ONE,
    Office,
    lines,
    little_shop,
    office_at,
    replaced,
    witnessed,
)
from tests.servers.authority import DAY, Issued, TimeAuthority, issue

_VOICES = [["ledger", "cosignatures"], ["ledger", "timestamps"]]
NOTE = b"order-archive/x\n2\nroot\n"


def query(content: bytes = NOTE, algorithm: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
    return TimestampRequestBuilder().data(content).hash_algorithm(algorithm).build().as_bytes()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office_at(little_shop(tmp_path_factory.mktemp("stamped"))) as made:
        yield made


def test_a_stamped_order_says_when_and_by_whom(
    office: Office, time_authority: TimeAuthority
) -> None:
    checkpoint = office.checkpoint(2)
    token = time_authority.stamp(query(checkpoint.note)).content
    office.desk.store.put(
        layout.timestamp_key(2, "tsa"),
        io.BytesIO(token),
        retain_until=office.desk.clock.now() + DAY,
    )
    witnessed(office.desk, checkpoint)
    trusted = Outsiders(
        witnesses=SEEN_BY_ONE.witnesses,
        authorities={"tsa": [time_authority.root.certificate]},
    )
    proof = office.prove("N2", outsiders=trusted)

    gets = [key.split("/")[:2] for key in office.store.gets]
    assert gets == [["orders", "main"], ["checkpoints", "2"], *_VOICES]
    said = lines(proof, office.anchor, roots=time_authority.root.pem)[-1]
    assert said.startswith("time stamp 时间戳: 20")
    assert "CN=Root" in said
    assert said.endswith("✓")
    at = datetime.fromisoformat(said.split()[3])
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    assert time_authority.holds(token, checkpoint.note)

    # An authority that somebody else trusts is named, not believed.
    other = issue("Root", authority=True)
    assert lines(proof)[-1].endswith("NOT compared with a copy from elsewhere 未与独立来源核对")
    with pytest.raises(ValueError, match="no stamp by --authority"):
        lines(proof, roots=other.pem)

    # Nor is one taken that this host does not trust.
    strangers = Outsiders(authorities={"tsa": [other.certificate]})
    assert json.loads(office.prove("N2", outsiders=strangers))["timestamps"] == []
    assert office.archive.alarms.pop().params["key"] == layout.timestamp_key(2, "tsa")

    # Bytes of a token that nothing depends on may change; nothing else may.
    chance, certificates = random.Random(3), json.loads(proof)["timestamps"][0]["certificates"]
    shown = []
    for place in range(0, len(token), 2):
        flipped = bytearray(token)
        flipped[place] ^= 1 << chance.randrange(8)
        changed = replaced(
            proof,
            ["timestamps"],
            [{"token": b64encode(flipped).decode(), "certificates": certificates}],
        )
        with suppress(Exception):
            shown.append(lines(changed))
    assert all(said == lines(proof) for said in shown)
    assert len(shown) < len(token) / 2 * 0.6  # its embedded certificate is not looked at


def rsa_signer(server: TimeAuthority) -> Issued:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return issue("Time", server.root, key=key)


@pytest.mark.parametrize("signer", [rsa_signer, lambda server: server.signer], ids=["RSA", "ECDSA"])
def test_the_usual_signatures_are_understood(
    time_authority: TimeAuthority, signer: Callable[[TimeAuthority], Issued]
) -> None:
    token = time_authority.stamp(query(), signer(time_authority)).content
    stamp = time_stamp(token, [time_authority.root.certificate], NOTE)
    assert len(stamp.certificates) == 2
    assert time_authority.holds(token, NOTE)


def test_a_certificate_between_is_handed_over(time_authority: TimeAuthority) -> None:
    between = issue("Between", time_authority.root, authority=True)
    token = time_authority.stamp(query(), issue("Time", between)).content
    known = [time_authority.root.certificate, between.certificate]
    assert len(time_stamp(token, known, NOTE).certificates) == 3
    with pytest.raises(ValueError, match="no authority that this host trusts"):
        time_stamp(token, known[:1], NOTE)


@pytest.mark.parametrize(
    "why",
    [
        "other bytes",
        "expired",
        "not for time stamps",
        "issued by no authority",
        "signed by another key",
        "of another root",
    ],
)
def test_a_stamp_that_does_not_hold_is_refused(time_authority: TimeAuthority, why: str) -> None:
    """Handed over by somebody who does not care what his own software says."""
    root, signer, content = time_authority.root, time_authority.signer, NOTE
    chain = [signer, root]
    match why:
        case "other bytes":
            content = NOTE + b"x"
        case "expired":
            root = issue("Root", authority=True, begins=-3 * DAY, ends=-2 * DAY)
            signer = issue("Time", root)
            chain = [signer, root]
        case "not for time stamps":
            chain = [root, root]
        case "issued by no authority":
            below = issue("Below", signer)
            signer = below
            chain = [below, time_authority.signer, root]
        case "signed by another key":
            chain = [issue("Time", root), root]
        case _:  # of another root
            chain = [signer, issue("Root", authority=True)]
    token = time_authority.stamp(query(content), signer).content
    stamp = TimeStamp(token=token, certificates=[one.der for one in chain])
    with pytest.raises(Exception, match=r".*"):
        stamped_at(stamp.fields(), NOTE)
    sound = TimeStamp(
        token=time_authority.stamp(query()).content,
        certificates=[time_authority.signer.der, time_authority.root.der],
    )
    assert stamped_at(sound.fields(), NOTE)
