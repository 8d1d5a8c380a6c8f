"""The script for strangers: what it shows is what is proven, and any other byte is refused."""

import json
import os
import random
import subprocess
import sys
import sysconfig
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings

from archiver import dsse
from archiver.proof import part
from archiver.signed_note import COSIGNATURE, VerifierKey
from schemas import verify_proof
from schemas.orders import ORDER_V1
from schemas.verify_proof import PARTS, canonical
from tests.order_rows import Row, rows
from tests.proving.exhibits import (
    VERIFIER,
    Office,
    Proof,
    changed,
    lines,
    little_shop,
    office_at,
    replaced,
    witnessed,
)
from tests.slow_canonical import encode, is_buyer, is_secret, is_transaction

SCRIPT: Final = Path(verify_proof.__file__)
CHOSEN: Final = {"transaction": is_transaction, "buyer": is_buyer, "secret": is_secret}
NOISY: Final = "\x1b[2J\u202eproven\n"
"""What clears a terminal, turns its direction, and begins a line."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    desk = little_shop(tmp_path_factory.mktemp("verifying"), contact=f"{NOISY}@example.com")
    with office_at(desk) as made:
        witnessed(desk, made.checkpoint(2))
        yield made


@pytest.fixture(scope="module")
def proof(office: Office) -> bytes:
    return office.prove("N2")


def refused(content: bytes, **known: Any) -> bool:  # noqa: ANN401
    try:
        lines(content, **known)
    except Exception:  # noqa: BLE001  whatever it is, nothing is shown
        return True
    return False


# --- what is shown is what is hashed ------------------------------------------------------------


def kind_of(leaf: pa.DataType) -> str:
    if pa.types.is_fixed_size_binary(leaf):
        return f"x{leaf.byte_width}"
    if pa.types.is_timestamp(leaf):
        return "t"
    if pa.types.is_decimal(leaf):
        return "d"
    return {"bool": "b", "int32": "i4", "int64": "i8", "string": "s"}[str(leaf)]


def leaves(
    fields: list[pa.Field], chosen: Callable[..., bool], path: tuple[str, ...] = ()
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields:
        here = (*path, field.name)
        if pa.types.is_struct(field.type):
            inner = [field.type.field(i) for i in range(field.type.num_fields)]
            below = leaves(inner, chosen, here)
            found |= {f"{field.name}.{name}": kind for name, kind in below.items()}
        elif pa.types.is_list(field.type):
            element = field.type.value_type
            inner = [element.field(i) for i in range(element.num_fields)]
            if kept := leaves(inner, chosen, here):
                found[field.name] = kept
        elif chosen(here, field):
            found[field.name] = kind_of(field.type)
    return found


@pytest.mark.parametrize("name", PARTS)
def test_the_script_knows_the_leaves_of_each_part_in_their_order(name: str) -> None:
    expected = leaves(list(ORDER_V1), CHOSEN[name])
    assert json.dumps(PARTS[name]) == json.dumps(expected)


@given(rows(ORDER_V1, min_size=1, max_size=1))
@settings(max_examples=40)
def test_any_order_written_as_fields_encodes_to_its_canonical_bytes(content: list[Row]) -> None:
    (row,) = content
    for name, kinds in PARTS.items():
        fields = json.loads(json.dumps(part(name, row, bytes(16))))["fields"]
        assert canonical(kinds, fields) == encode(list(ORDER_V1), row, CHOSEN[name])


def test_a_proof_says_what_was_proven_withheld_and_seen(office: Office, proof: bytes) -> None:
    said = lines(proof, office.anchor, witnesses=[str(VERIFIER)])

    assert said[0] == f"PROVEN 证明有效: archive 档案库 {office.archive.id} shop-1"
    assert said[1].endswith("✓")
    assert '  order_id = "N2"' in said
    assert '  money.paid = "12.50"' in said
    assert '  events.1.kind = "complained"' in said
    assert "secret — withheld 未出示: deliveries, after_sales, events" in said
    assert said[-1] == f"witnessed 见证: 2026-03-05T19:01:00+00:00 {VERIFIER} ✓"


def test_whose_word_it_is_stands_there_where_nobody_was_compared(proof: bytes) -> None:
    said = lines(proof)
    assert said[1].endswith("NOT compared with a copy from elsewhere 未与独立来源核对")
    assert said[-1].endswith("NOT compared with a copy from elsewhere 未与独立来源核对")


# --- any other byte -----------------------------------------------------------------------------


def test_a_flipped_byte_anywhere_in_the_file_is_refused(proof: bytes) -> None:
    chance = random.Random(5)
    start = 0
    for line in proof.splitlines(keepends=True):
        # All bytes of short lines; of envelopes, which are thousands of letters, some.
        step = 1 if len(line) < 300 else 3
        places = range(start + chance.randrange(step), start + len(line), step)
        start += len(line)
        for place in places:
            damaged = bytearray(proof)
            damaged[place] ^= chance.randrange(1, 256)
            assert refused(bytes(damaged)), place


def test_a_cut_or_longer_file_is_refused(proof: bytes) -> None:
    for content in (b"", b"{}", proof[:-1], proof[: len(proof) // 2], proof + b"\n", proof * 2):
        assert refused(content)


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:  # noqa: ANN401
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(inner, (*path, name))


def test_a_changed_letter_is_refused_though_the_digest_is_made_anew(proof: bytes) -> None:
    """The digest is for accidents; this is what an adversary does who can read the script."""
    chance, tried = random.Random(6), 0
    for path, text in texts(json.loads(proof)):
        if path == ("sha256",):
            continue
        # All of what is short; of envelopes, whose payloads are thousands of letters, some.
        step = 1 if len(text) < 130 else 31
        for place in range(chance.randrange(step), len(text), step):
            letter = chr(ord(text[place]) ^ chance.choice((1, 2, 4, 8, 16, 32)))
            other = text[:place] + letter + text[place + 1 :]
            assert refused(replaced(proof, path, other)), (path, place)
            tried += 1
    assert tried > 1_000


OTHER_FORMS: Final = [
    (("order", "transaction", "fields", "money.paid"), value)
    for value in (
        "12.5",
        "12.500",
        "+12.50",
        "012.50",
        " 12.50",
        "12.50\n",
        "1250",
        12.5,
        "１２.50",
    )
] + [
    (("order", "transaction", "fields", name), value)
    for name, value in [
        ("completed_at", "2026-03-04T04:01:12Z"),
        ("completed_at", "2026-03-04T12:01:12+08:00"),
        ("completed_at", "2026-03-04 04:01:12+00:00"),
        ("completed_at", "2026-03-04T04:01:12.000000+00:00"),
        ("completed_at", 1772596872000000),
        ("revision", True),
        ("revision", 1.0),
        ("revision", "1"),
        ("revision", 4294967297),
        ("payments", None),
        ("payments", {}),
        ("payments", ""),
        ("payments", [{}]),
        ("seller.name", ""),
        ("seller.own", False),
        ("seller.own", 0),
        ("events", []),
        ("order_id", ["N2"]),
        ("order_id", 2),
    ]
]


@pytest.mark.parametrize(("path", "value"), OTHER_FORMS)
def test_a_value_has_one_form_and_absent_is_not_empty(
    proof: bytes, path: tuple[str, ...], value: object
) -> None:
    assert refused(replaced(proof, path, value))


def added(fields: Proof) -> None:
    fields["order"]["transaction"]["fields"]["note"] = "paid twice"


def reordered(fields: Proof) -> None:
    shown = fields["order"]["buyer"]["fields"]
    shown["buyer.account"] = shown.pop("buyer.account")


def shown_and_withheld(fields: Proof) -> None:
    fields["order"]["buyer"]["commitment"] = "00" * 32


def without_signers(fields: Proof) -> None:
    fields["signers"] = []


def twice_the_path(fields: Proof) -> None:
    fields["partition"]["path"] *= 2


def no_path(fields: Proof) -> None:
    fields["ledger"]["path"] = []


def another_row(fields: Proof) -> None:
    fields["partition"]["row"] ^= 1


def row_by_name(fields: Proof) -> None:
    fields["partition"]["row"] = str(fields["partition"]["row"])


def another_object(fields: Proof) -> None:
    payload = json.loads(b64decode(json.loads(fields["manifest"])["payload"]))
    fields["partition"]["key"] = next(
        one["key"] for one in payload["objects"] if one["kind"] == "segments"
    )


def another_format(fields: Proof) -> None:
    fields["proof"] = "order-proof/2"


def two_lines_in_the_note(fields: Proof) -> None:
    note = fields["ledger"]["checkpoint"]
    fields["ledger"]["checkpoint"] = note + note.rpartition("\n\n")[2]


@pytest.mark.parametrize(
    "change",
    [
        *(added, reordered, shown_and_withheld, without_signers, twice_the_path, no_path),
        *(another_row, row_by_name, another_object, another_format, two_lines_in_the_note),
    ],
)
def test_a_proof_put_together_otherwise_is_refused(
    proof: bytes, change: Callable[[Proof], object]
) -> None:
    assert not refused(changed(proof, lambda _: None))
    assert refused(changed(proof, change))


def test_fields_and_paths_of_different_orders_do_not_mix(office: Office, proof: bytes) -> None:
    other = json.loads(office.prove("N1"))  # of another day
    near = json.loads(office.prove("N4"))  # of the same partition
    for name in ("order", "partition", "manifest", "ledger"):
        assert refused(replaced(proof, [name], other[name])), name
    for name in ("transaction", "buyer", "secret"):
        assert near["order"][name] != json.loads(proof)["order"][name]
        for one in (near, other):
            assert refused(replaced(proof, ["order", name], one["order"][name])), name


# --- keys ---------------------------------------------------------------------------------------


def forged_under_its_own_key(fields: Proof) -> None:
    """Let a manifest name the key that signs it, as only `archive.json` may."""
    envelope = json.loads(fields["manifest"])
    payload = json.loads(b64decode(envelope["payload"]))
    key = Ed25519PrivateKey.generate()
    payload["identity_public_key"] = key.public_key().public_bytes_raw().hex()
    fields["signers"] = []
    signed = dsse.sign(json.dumps(payload).encode(), "manifest", "identity", key)
    fields["manifest"] = signed.decode()


def test_a_manifest_that_brings_its_own_key_is_refused(proof: bytes) -> None:
    with pytest.raises(ValueError, match="signed by nobody certified"):
        lines(changed(proof, forged_under_its_own_key))


def test_an_archive_that_is_not_the_known_one_is_refused(
    proof: bytes, tmp_path: Path, office: Office
) -> None:
    forger = little_shop(tmp_path, orders=2)
    anchor = forger.place.keys.anchor.read_bytes()
    with pytest.raises(ValueError, match=r"--anchor"):
        lines(proof, anchor)
    with office_at(forger) as theirs:
        forged = theirs.prove("N2")
    assert not refused(forged)  # by itself it holds, and says that nothing was compared
    with pytest.raises(ValueError, match=r"--anchor"):
        lines(forged, office.anchor)


def test_a_witness_that_has_not_seen_it_is_missed(proof: bytes) -> None:
    stranger = VerifierKey(name=VERIFIER.name, public_key=bytes(range(32)), signs=COSIGNATURE)
    with pytest.raises(ValueError, match="no cosignature"):
        lines(proof, witnesses=[str(stranger)])
    with pytest.raises(ValueError, match="no cosignature"):
        lines(proof, witnesses=[str(VERIFIER), str(stranger)])


def test_a_stamp_that_was_asked_for_is_missed(proof: bytes) -> None:
    root = Path(__file__).parent / "root.pem"
    with pytest.raises(ValueError, match="no stamp by --authority"):
        lines(proof, roots=root.read_bytes())


# --- as strangers run it ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script and with `cryptography` beside it, and nothing of ours."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    packages = Path(sysconfig.get_path("platlib"))
    (folder / "packages").mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        for path in packages.glob(f"{name}*"):
            if not path.name.endswith(".dist-info"):
                (folder / "packages" / path.name).symlink_to(path)
    return folder


START: Final = """
import runpy, sys
def refuse(event, _arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system"):
        raise OSError(event)
sys.addaudithook(refuse)
sys.path.append("packages")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(
    folder: Path, proof: bytes, *arguments: str, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    (folder / "order.proof.json").write_bytes(proof)
    # As on Windows, where what goes to a file is in one of the old code pages.
    starting = f"import sys; sys.stdout.reconfigure(encoding={encoding!r})\n{START}"
    command = [sys.executable, "-I", "-S", "-c", starting, SCRIPT.name, "order.proof.json"]
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding=encoding,
        check=False,
    )


def test_a_bare_interpreter_without_a_network_proves_and_refuses(
    bare: Path, office: Office, proof: bytes
) -> None:
    (bare / "known.json").write_bytes(office.anchor)
    asked = ("--anchor", "known.json", "--witness", str(VERIFIER))
    ran = run(bare, proof, *asked)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[0].startswith("PROVEN 证明有效: ")
    # What a buyer has typed does nothing to a terminal.
    assert not set(ran.stdout) & {"\x1b", "\u202e"}
    assert "buyer.contact = " in ran.stdout

    damaged = run(bare, proof.replace(b'"12.50"', b'"12.51"'), *asked)
    assert (damaged.returncode, damaged.stdout) == (1, "")
    assert damaged.stderr.startswith("REFUSED 证明无效: ")

    # What is to be compared with cannot be read: that says nothing about the proof.
    for option, name in (
        ("--anchor", "no.json"),
        ("--anchor", SCRIPT.name),
        ("--authority", "known.json"),
    ):
        odd = run(bare, proof, option, name)
        assert (odd.returncode, odd.stdout) == (2, "")
        assert odd.stderr.startswith("NOT TRIED 未能验证: ")


def test_a_proof_is_not_refused_because_its_reader_s_screen_lacks_letters(
    bare: Path, proof: bytes
) -> None:
    ran = run(bare, proof, encoding="cp1252")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("PROVEN \\u8bc1\\u660e\\u6709\\u6548: ")


def test_the_script_is_short_and_imports_nothing_of_ours() -> None:
    text = SCRIPT.read_text("utf-8")
    assert len(text.splitlines()) < 300
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line[:5] == "from "}
    imported |= {line.split()[1] for line in text.splitlines() if line[:7] == "import "}
    assert imported - sys.stdlib_module_names == {"cryptography"}
