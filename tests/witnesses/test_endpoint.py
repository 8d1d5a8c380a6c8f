"""A server that speaks tlog-witness cosigns heads; whatever else it answers is believed in part."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver.bounded_post import Limits
from archiver.errors import (
    AnswerRefusedError,
    NoAnswerError,
    SplitViewError,
    WitnessAheadError,
)
from archiver.signed_note import Checkpoint, cosign, parse_signatures, verify_cosignature
from archiver.witnesses import Confirmed, EndpointWitness, Head
from archiver.witnesses.endpoint import request
from tests.servers.scripted import Reply
from tests.servers.witness import WitnessServer
from tests.witnesses.logs import SmallLog

BRIEF = Limits(
    silence=timedelta(seconds=1),
    first_wait=timedelta(milliseconds=1),
    at_most=timedelta(seconds=1),
    size_bytes=4_000,
)


@pytest.fixture
def server(witness_server: WitnessServer) -> WitnessServer:
    return witness_server


@pytest.fixture
def log(server: WitnessServer) -> SmallLog:
    log = SmallLog()
    server.logs += log.keys
    return log


def told(server: WitnessServer, log: SmallLog, confirmed: int = 0) -> Confirmed:
    witness = EndpointWitness(name="notary", url=server.url, keys=[server.verifier], limits=BRIEF)
    return witness.confirm(log.head, log, confirmed=confirmed, now=datetime.now(UTC))


def test_the_request_is_the_one_of_the_specification() -> None:
    # c2sp.org/tlog-witness, "Example request body"
    head = Head(
        content=(
            "example.com/behind-the-sofa\n"
            "20852163\n"
            "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
            "\n"
            "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5"
            "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        ).encode(),
        checkpoint=Checkpoint(origin="example.com/behind-the-sofa", size=20852163, root=b""),
        keys=[],
    )
    proof = [
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
    ]
    body = request(20852014, [base64.b64decode(line) for line in proof], head)
    lines = "\n".join(proof)
    assert body == f"old 20852014\n{lines}\n\n".encode() + head.content


def test_a_head_is_cosigned_and_each_later_one_that_continues_it(
    server: WitnessServer, log: SmallLog
) -> None:
    for size, knew in ((3, 0), (8, 3), (8, 8), (300, 8)):
        confirmed = told(server, log.grow(size - len(log.entries)), knew)
        assert confirmed.knew == knew
        assert abs(confirmed.at - datetime.now(UTC)) < timedelta(minutes=1)
        (line,) = parse_signatures((confirmed.lines or b"").decode(), where="it")
        text = log.head.checkpoint.text
        assert verify_cosignature(text, line, server.verifier, where="it") == confirmed.at
    assert server.known() == {log.origin: (300, log.head.checkpoint.root.hex())}
    assert {path for path, _, _ in server.requests} == {"/CanaryPath/add-checkpoint"}


def test_a_host_that_has_forgotten_what_was_confirmed_is_told(
    server: WitnessServer, log: SmallLog
) -> None:
    told(server, log.grow(5))
    server.requests.clear()
    assert told(server, log.grow(4), confirmed=0).knew == 5
    assert [body.split(b"\n")[0] for _, body, _ in server.requests] == [b"old 0", b"old 5"]


def test_a_witness_that_has_forgotten_is_told_again(server: WitnessServer, log: SmallLog) -> None:
    told(server, log.grow(5))
    server.remember({})
    assert told(server, log.grow(4), confirmed=5).knew == 0
    assert server.known()[log.origin][0] == 9


def test_a_ledger_that_was_set_back_is_found_out(server: WitnessServer, log: SmallLog) -> None:
    told(server, log.grow(9))
    with pytest.raises(WitnessAheadError) as found:
        told(server, log.at(6), confirmed=6)
    assert (found.value.params["held"], found.value.params["size"]) == (9, 6)


@pytest.mark.parametrize(("more", "confirmed"), [(0, 9), (0, 0), (4, 9), (4, 0)])
def test_another_history_is_found_out(
    server: WitnessServer, log: SmallLog, more: int, confirmed: int
) -> None:
    told(server, log.grow(9))
    with pytest.raises(SplitViewError):
        told(server, log.at(6).grow(3 + more, "another"), confirmed)


@pytest.mark.parametrize("signed", [True, False])
def test_a_witness_that_does_not_know_the_log_is_given_its_key(
    server: WitnessServer, signed: bool
) -> None:
    log = SmallLog().grow(2)
    server.logs += SmallLog(origin=log.origin).keys if signed else []
    with pytest.raises(AnswerRefusedError, match=r"HTTP 40[34]") as found:
        told(server, log)
    assert str(log.keys[0]) in found.value.text("zh")


def wrong_key(server: WitnessServer, log: SmallLog) -> bytes:
    line = cosign(
        log.head.checkpoint.text, server.name, Ed25519PrivateKey.generate(), datetime.now(UTC)
    )
    return f"{line}\n".encode()


def wrong_head(server: WitnessServer, log: SmallLog) -> bytes:
    text = log.at(1).head.checkpoint.text
    return f"{cosign(text, server.name, server.key, datetime.now(UTC))}\n".encode()


def future(server: WitnessServer, log: SmallLog) -> bytes:
    at = datetime.now(UTC) + timedelta(hours=1)
    return f"{cosign(log.head.checkpoint.text, server.name, server.key, at)}\n".encode()


def valid(server: WitnessServer, log: SmallLog) -> bytes:
    line = cosign(log.head.checkpoint.text, server.name, server.key, datetime.now(UTC))
    return f"{line}\n".encode()


Lie = Callable[[WitnessServer, SmallLog], Reply]
LIES: dict[str, tuple[Lie, str]] = {
    "another key's signature": (lambda s, g: Reply(200, wrong_key(s, g)), "no signature"),
    "a signature under another head": (lambda s, g: Reply(200, wrong_head(s, g)), "not hold"),
    "a signature in the future": (lambda s, g: Reply(200, future(s, g)), "future"),
    "a signature cut short": (lambda s, g: Reply(200, valid(s, g)[:-9]), "not hold"),
    "nothing": (lambda *_: Reply(200), "signed note"),
    "a page": (lambda *_: Reply(200, b"<html>"), "signed note"),
    "bytes": (lambda *_: Reply(200, b"\xff\xfe"), "UTF-8"),
    "too many lines": (lambda s, g: Reply(200, wrong_key(s, g) * 200), "bytes"),
    "a redirection": (lambda s, _: Reply(302, b"", (("Location", s.url),)), "HTTP 302"),
    "a refusal": (lambda *_: Reply(400), "HTTP 400"),
    "a conflict without a size": (lambda *_: Reply(409, b"many\n"), "without a size"),
    "a conflict with a negative size": (lambda *_: Reply(409, b"-1\n"), "without a size"),
    "a conflict with what it was told": (lambda *_: Reply(409, b"0\n"), "contradicts"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_witness_that_lies_confirms_nothing(
    server: WitnessServer, log: SmallLog, lie: str
) -> None:
    log.grow(4)
    answer, said = LIES[lie]
    server.answer = lambda *_: answer(server, log)
    with pytest.raises((AnswerRefusedError, NoAnswerError), match=said) as found:
        told(server, log)
    assert "Canary" not in str(found.value)
    assert "notary" in str(found.value)


def test_a_witness_that_names_another_size_each_time_is_left(
    server: WitnessServer, log: SmallLog
) -> None:
    sizes = iter(range(1, 9))
    server.answer = lambda *_: Reply(409, f"{next(sizes)}\n".encode())
    with pytest.raises(AnswerRefusedError, match="another size"):
        told(server, log.grow(9))
    assert len(server.requests) == 3


def test_signatures_of_others_beside_its_own_are_left_out(
    server: WitnessServer, log: SmallLog
) -> None:
    log.grow(4)
    server.answer = lambda *_: Reply(200, wrong_key(server, log) + valid(server, log))
    lines = told(server, log).lines or b""
    assert len(parse_signatures(lines.decode(), where="it")) == 1


def slow(server: WitnessServer) -> None:
    server.answer = lambda *_: Reply(200, b"-" * 1000)
    server.seconds_a_byte = 0.2


def closed(server: WitnessServer) -> None:
    server.close()


def hung_up(server: WitnessServer) -> None:
    server.answer = None


def busy(server: WitnessServer) -> None:
    server.answer = lambda *_: Reply(503)


@pytest.mark.parametrize(("state", "requests"), [(slow, 1), (closed, 0), (hung_up, 2), (busy, 2)])
def test_a_witness_that_is_down_is_said_to_be(
    server: WitnessServer, log: SmallLog, state: Callable[[WitnessServer], None], requests: int
) -> None:
    log.grow(4)
    state(server)
    with pytest.raises(NoAnswerError) as found:
        told(server, log)
    assert "Canary" not in str(found.value)
    assert len(server.requests) == requests
