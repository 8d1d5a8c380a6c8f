"""Signed notes: published ones open, and nothing that was changed does."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import TamperedError
from archiver.signed_note import (
    COSIGNATURE,
    MAX_NOTE,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosign,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    parse_note,
    parse_signatures,
    sign_note,
    verify_cosignature,
)

# golang.org/x/mod/sumdb/note, the package's documentation.
PETER = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETER_PRIVATE = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()  # noqa: E501  a signature is one line

# transparency-dev/witness, its tests.
MONKEYS = VerifierKey.parse("monkeys+db4d9f7e+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT")
MONKEYS_5 = """monkeys
5
41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE=

— monkeys 202fftzGl3LVoqjXfwCFZZXs8I+5G22+Ek2K0AOyBuSJ/8/CZawNF+6fNlTKOCd622pbzJNkkJFWuw9DbicZCkEx9AY=
""".encode()  # noqa: E501

# c2sp.org/tlog-cosignature, the example at its beginning. Its keys are not published.
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()  # noqa: E501

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
NAME = "order-archive/00112233445566778899aabbccddeeff"
OURS = VerifierKey(name=NAME, public_key=PUBLIC)
WITNESS = VerifierKey(name="witness.example/w1", public_key=PUBLIC, signs=COSIGNATURE)
HEAD = Checkpoint(origin=NAME, size=7, root=bytes(32))
AT = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
WHERE = "checkpoints/7"


def test_a_published_note_opens() -> None:
    assert open_note(PETER_NOTE, [PETER], where=WHERE).startswith("If you think")


def test_we_sign_the_published_note_alike() -> None:
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(PETER_PRIVATE)[1:])
    text = PETER_NOTE.decode().rpartition("\n— ")[0]
    assert sign_note(text, PETER.name, private) == PETER_NOTE


def test_a_verifier_key_is_written_as_it_was_published() -> None:
    assert str(PETER) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert VerifierKey.parse(str(WITNESS)) == WITNESS


def test_a_published_checkpoint_opens() -> None:
    assert open_checkpoint(MONKEYS_5, [MONKEYS], where=WHERE) == Checkpoint(
        origin="monkeys",
        size=5,
        root=base64.b64decode("41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE="),
    )


def test_the_cosigned_example_of_the_standard_is_read_as_it_says() -> None:
    note = parse_note(COSIGNED, where=WHERE)
    assert bytes(note) == COSIGNED
    assert parse_checkpoint(note.text, where=WHERE).size == 20852163
    assert [signature.name for signature in note.signatures] == [
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    ]
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147


def test_a_cosignature_is_over_the_two_lines_of_the_standard_and_the_text() -> None:
    line = cosign(HEAD.text, WITNESS.name, KEY, AT)
    assert line.key_id == WITNESS.key_id
    seconds = int(AT.timestamp())
    signed = f"cosignature/v1\ntime {seconds}\n{NAME}\n7\n{base64.b64encode(bytes(32)).decode()}\n"
    KEY.public_key().verify(line.signature[8:], signed.encode())
    (parsed,) = parse_signatures(f"{line}\n", where="w1")
    assert verify_cosignature(HEAD.text, parsed, WITNESS, where="w1") == AT


def test_a_cosignature_says_when_in_any_zone() -> None:
    line = cosign(HEAD.text, WITNESS.name, KEY, AT.astimezone(timezone(timedelta(hours=8))))
    assert verify_cosignature(HEAD.text, line, WITNESS, where="w1") == AT


def test_every_changed_bit_of_a_cosignature_is_refused() -> None:
    line = cosign(HEAD.text, WITNESS.name, KEY, AT)
    for position in range(len(line.signature) * 8):
        changed = bytearray(line.signature)
        changed[position // 8] ^= 1 << position % 8
        other = Signature(line.name, line.key_id, bytes(changed))
        with pytest.raises(TamperedError):
            verify_cosignature(HEAD.text, other, WITNESS, where="w1")


@pytest.mark.parametrize(
    ("text", "key", "name", "seconds"),
    [
        (Checkpoint(origin=NAME, size=8, root=bytes(32)).text, KEY, WITNESS.name, 72),
        (HEAD.text, OTHER, WITNESS.name, 72),
        (HEAD.text, KEY, "witness.example/w2", 72),
        (HEAD.text, KEY, WITNESS.name, 71),
    ],
)
def test_a_cosignature_of_something_else_is_refused(
    text: str, key: Ed25519PrivateKey, name: str, seconds: int
) -> None:
    line = cosign(text, name, key, AT)
    cut = Signature(line.name, line.key_id, line.signature[:seconds])
    with pytest.raises(TamperedError):
        verify_cosignature(HEAD.text, cut, WITNESS, where="w1")


def test_a_cosignature_of_no_year_that_there_is_is_refused() -> None:
    for seconds in (1 << 62, 1 << 63):
        signature = KEY.sign(f"cosignature/v1\ntime {seconds}\n{HEAD.text}".encode())
        line = Signature(WITNESS.name, WITNESS.key_id, seconds.to_bytes(8, "big") + signature)
        with pytest.raises(TamperedError):
            verify_cosignature(HEAD.text, line, WITNESS, where="w1")


def test_a_log_s_signature_is_no_cosignature_and_the_other_way_round() -> None:
    with pytest.raises(TamperedError):
        verify_cosignature(HEAD.text, cosign(HEAD.text, NAME, KEY, AT), OURS, where="w1")
    with pytest.raises(TamperedError):
        open_note(sign_note(HEAD.text, WITNESS.name, KEY), [WITNESS], where=WHERE)


@given(st.text(st.characters(min_codepoint=32, codec="utf-8"), max_size=60))
def test_any_text_that_was_signed_comes_back(text: str) -> None:
    note = sign_note(f"{text}\n", NAME, KEY)
    assert open_note(note, [OURS], where=WHERE) == f"{text}\n"


def test_a_text_may_have_blank_lines_and_lines_that_look_like_signatures() -> None:
    text = f"a\n\n— {NAME} AAAAAAAA\n\nb\n"
    assert open_note(sign_note(text, NAME, KEY), [OURS], where=WHERE) == text


def test_every_flipped_bit_of_a_checkpoint_is_refused_or_is_of_an_unknown_signature() -> None:
    sound = sign_note(HEAD.text, NAME, KEY)
    for position in range(len(sound)):
        for bit in range(8):
            changed = bytearray(sound)
            changed[position] ^= 1 << bit
            with pytest.raises(TamperedError):
                open_checkpoint(bytes(changed), [OURS], where=WHERE)


def test_unknown_keys_are_passed_over_and_known_ones_must_hold() -> None:
    text = HEAD.text
    ours = parse_note(sign_note(text, NAME, KEY), where=WHERE).signatures[0]
    theirs = parse_note(sign_note(text, NAME, OTHER), where=WHERE).signatures[0]
    wrong = Signature(ours.name, ours.key_id, bytes(64))
    assert open_note(bytes(Note(text, [theirs, ours])), [OURS], where=WHERE) == text
    for signatures in ([theirs], [ours, wrong], [wrong]):
        with pytest.raises(TamperedError):
            open_note(bytes(Note(text, signatures)), [OURS], where=WHERE)


def test_one_key_is_enough_while_keys_change() -> None:
    new = VerifierKey(name=NAME, public_key=OTHER.public_key().public_bytes_raw())
    for key in (KEY, OTHER):
        assert open_checkpoint(sign_note(HEAD.text, NAME, key), [OURS, new], where=WHERE) == HEAD


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = Checkpoint(origin="another", size=7, root=bytes(32))
    with pytest.raises(TamperedError, match="another log"):
        open_checkpoint(sign_note(other.text, NAME, KEY), [OURS], where=WHERE)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n7\n{base64.b64encode(bytes(32)).decode()}\nextension\n",
        f"{NAME}\n07\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{NAME}\n-7\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{NAME}\n７\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{NAME}\n7\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{NAME}\n7\n{'A' * 42}B=\n",
        f"\n7\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{NAME}\n7\n",
        "",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(TamperedError):
        parse_checkpoint(text, where=WHERE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n\nno signature\n",
        "text\n\n— name\n".encode(),
        "text\n\n— name AAAA\n".encode(),
        "text\n\n— name AAAAAAAA".encode(),
        "text\n\n— name AAAAAAB=\n".encode(),
        "text\n\n— a+b AAAAAAAA\n".encode(),
        "text\r\n\n— name AAAAAAAA\n".encode(),
        b"text\n\n" + "— name AAAAAAAA\n".encode() * 101,
        b"x" * MAX_NOTE + b"\n\n\xe2\x80\x94 name AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(content: bytes) -> None:
    with pytest.raises(TamperedError):
        parse_note(content, where=WHERE)


@pytest.mark.parametrize("text", ["no line end", "bell\a\n", "carriage\r\n"])
def test_what_cannot_stand_in_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError, match="note"):
        sign_note(text, NAME, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000+AAAA",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        VerifierKey.parse(text)


def test_a_key_under_a_wrong_name_or_of_a_wrong_length_is_refused() -> None:
    for name, key in (("two words", PUBLIC), ("", PUBLIC), ("name", PUBLIC[:31])):
        with pytest.raises(ValueError, match="key"):
            VerifierKey(name=name, public_key=key)
