"""A token counts when signature, certificates, digest and nonce hold, and not before."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from archiver.bounded_post import Limits
from archiver.errors import AnswerRefusedError, ConfigurationError, NoAnswerError
from archiver.timestamps import Authority, Token, Trust, read_trust, stamp, verify_token
from tests.clock import FrozenClock
from tests.servers.authority import DAY, Issued, TimeAuthority, issue
from tests.servers.scripted import Reply

CONTENT = b"order-archive/x\n7\n"
BRIEF = Limits(
    silence=timedelta(seconds=1),
    first_wait=timedelta(milliseconds=1),
    at_most=timedelta(seconds=1),
    size_bytes=6_000,
)


@pytest.fixture
def server(time_authority: TimeAuthority) -> TimeAuthority:
    return time_authority


def stamped(
    server: TimeAuthority,
    trust: Trust | None = None,
    *,
    late: timedelta = timedelta(),
    authorization: str | None = None,
) -> Token:
    authority = Authority(
        name="tsa",
        url=server.url,
        trust=trust or read_trust(server.ca),
        authorization=authorization,
    )
    clock = FrozenClock(datetime.now(UTC) + late)
    return stamp(authority, CONTENT, clock, BRIEF)


def query(content: bytes = CONTENT) -> bytes:
    builder = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256)
    return builder.build().as_bytes()


def test_a_token_says_when_and_openssl_agrees(server: TimeAuthority) -> None:
    token = stamped(server)
    assert abs(token.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert verify_token(token.content, CONTENT, read_trust(server.ca), "tsa") == token.at
    assert server.holds(token.content, CONTENT)
    assert not server.holds(token.content, CONTENT + b"x")
    ((_, body, headers),) = server.requests
    assert headers["Content-Type"] == "application/timestamp-query"
    assert headers["User-Agent"] == "order-archive"
    assert "Authorization" not in headers
    assert hashlib.sha256(CONTENT).digest() in body
    assert CONTENT not in body


def test_an_authority_that_knows_its_customers_is_told_who_asks(server: TimeAuthority) -> None:
    stamped(server, authorization="Bearer CanaryCustomer")
    assert server.requests[0][2]["Authorization"] == "Bearer CanaryCustomer"
    server.answer = lambda *_: Reply(401)
    with pytest.raises(AnswerRefusedError, match="authorization_env") as found:
        stamped(server, authorization="Bearer CanaryCustomer")
    assert "Canary" not in str(found.value)


def test_a_certificate_between_root_and_signer_is_taken_from_the_file(
    server: TimeAuthority,
) -> None:
    between = issue("Between", server.root, authority=True)
    server.signer = issue("Time", between)
    with pytest.raises(AnswerRefusedError, match="unable to get local issuer"):
        stamped(server)
    server.ca.write_bytes(server.root.pem + between.pem + between.pem)
    stamped(server)


def other(server: TimeAuthority) -> Reply:
    return server.stamp(query(b"other"))


def replayed(server: TimeAuthority) -> Reply:
    return server.stamp(query())  # the same digest, without our nonce


def cut(server: TimeAuthority) -> Reply:
    return Reply(200, server.stamp(server.requests[-1][1]).content[:-20])


def signed_by(issued: Callable[[TimeAuthority], Issued]) -> Callable[[TimeAuthority], Reply]:
    return lambda server: server.stamp(server.requests[-1][1], issued(server))


def rejected(server: TimeAuthority) -> Reply:
    builder = TimestampRequestBuilder().data(CONTENT).hash_algorithm(HashAlgorithm.SHA512)
    return server.stamp(builder.build().as_bytes())  # it takes SHA-256 only


LIES: dict[str, tuple[Callable[[TimeAuthority], Reply], str]] = {
    "other bytes": (other, "other bytes"),
    "an old token": (replayed, "Nonce"),
    "a token cut short": (cut, "no whole"),
    "another root of the same name": (
        signed_by(lambda _: issue("Time", issue("Root", authority=True))),
        "certificate signature failure",
    ),
    "a signer that has expired": (
        signed_by(lambda s: issue("Time", s.root, begins=-3 * DAY, ends=-DAY)),
        "expired",
    ),
    "a signer of tomorrow": (
        signed_by(lambda s: issue("Time", s.root, begins=DAY, ends=3 * DAY)),
        "not yet valid",
    ),
    "a refusal to stamp": (rejected, "PKIStatus 2"),
    "nothing": (lambda _: Reply(200), "no whole"),
    "a page": (lambda _: Reply(200, b"<html>"), "no whole"),
    "too much": (lambda _: Reply(200, bytes(6_001)), "more than 6000 bytes"),
    "a redirection": (lambda s: Reply(302, b"", (("Location", s.url),)), "HTTP 302"),
    "an error": (lambda _: Reply(500), "HTTP 500"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_authority_that_lies_stamps_nothing(server: TimeAuthority, lie: str) -> None:
    answer, said = LIES[lie]
    server.answer = lambda *_: answer(server)
    with pytest.raises((AnswerRefusedError, NoAnswerError), match=said) as found:
        stamped(server)
    assert "Canary" not in str(found.value)
    assert "tsa" in found.value.text("zh")


def test_a_root_that_has_expired_is_no_root(server: TimeAuthority) -> None:
    root = issue("Root", authority=True, begins=-3 * DAY, ends=-DAY)
    server.ca.write_bytes(root.pem)
    server.signer = issue("Time", root)
    with pytest.raises(AnswerRefusedError, match="expired"):
        stamped(server)


@pytest.mark.parametrize("late", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_an_authority_whose_clock_differs_stamps_nothing(
    server: TimeAuthority, late: timedelta
) -> None:
    with pytest.raises(AnswerRefusedError, match="differ by 3"):
        stamped(server, late=late)


def test_an_authority_that_is_down_is_said_to_be(server: TimeAuthority) -> None:
    server.answer = lambda *_: Reply(200, bytes(1_000))
    server.seconds_a_byte = 0.2
    with pytest.raises(NoAnswerError, match="within 1 s"):
        stamped(server)
    server.close()
    with pytest.raises(NoAnswerError, match="ConnectionRefusedError"):
        stamped(server)


def test_no_flipped_bit_gives_another_time_or_other_bytes(server: TimeAuthority) -> None:
    token = stamped(server)
    trust = read_trust(server.ca)
    refused = 0
    for place in range(0, len(token.content), 3):
        flipped = bytearray(token.content)
        flipped[place] ^= 1 << (place % 8)
        try:
            assert verify_token(bytes(flipped), CONTENT, trust, "tsa") == token.at
        except AnswerRefusedError:
            refused += 1
    assert refused > len(token.content) / 4  # what is not signed says nothing


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nx", None])
def test_a_file_without_a_root_is_no_trust(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        read_trust(path)


def test_a_certificate_that_others_have_issued_is_no_root(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    root = issue("Root", authority=True)
    path.write_bytes(issue("Between", root, authority=True).pem)
    with pytest.raises(ConfigurationError, match="no root"):
        read_trust(path)
    path.write_bytes(root.pem * 2)
    trust = read_trust(path)
    assert isinstance(trust.roots[0], x509.Certificate)
    assert len(trust.roots) == 1
