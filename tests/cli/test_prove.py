"""A proof on the command line: for compliance, on record, a new file, and checked by the script."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from archiver import layout
from archiver.ledger import Ledger
from archiver.signed_note import cosign
from archiver.wiring import Installation
from schemas import verify_proof
from tests.cli.library import Library, library
from tests.clock import NOON
from tests.proving.exhibits import NAME, VERIFIER, WITNESS_KEY

__all__ = ["library"]

WHY = ("--purpose", "仲裁")
DONE = "SELECT * FROM orders WHERE status = 4 AND type = 1 ORDER BY id LIMIT 1 OFFSET {}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "order.proof.json"


def test_an_order_is_proven_into_a_file_of_its_owner(library: Library, path: Path) -> None:
    (row,) = library.rows(DONE.format(4))
    ran = library.ask("carol", "prove", row["order_sn"], "-o", str(path), *WHY)

    assert ran.exit == 0, ran.out
    assert ran.document["order"]["order_id"] == row["order_sn"]
    assert (ran.document["withheld"], ran.document["witnesses"]) == (["secret"], [])
    assert ran.document["size_bytes"] == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_text("utf-8")
    assert row["email"] in content
    for secret in row["info"].splitlines():
        assert secret not in content

    anchor = str(library.terminal.folder / "archive.json")
    command = [sys.executable, "-I", verify_proof.__file__, str(path), "--anchor", anchor]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f'order_id = "{row["order_sn"]}"' in checked.stdout

    entry, handed_out = (one for one in library.log() if one["command"] == "prove")
    assert (entry["outcome"], entry["operator"], entry["purpose"]) == ("answered", "carol", "仲裁")
    assert (handed_out["outcome"], handed_out["detail"]) == ("done", "withheld: secret")
    assert ran.document["access"] == f"{entry['node']}/{entry['number']}"


def test_the_buyer_is_left_out_and_the_screen_says_what_to_hand_over(
    library: Library, path: Path
) -> None:
    (row,) = library.rows(DONE.format(5))
    asked = ("prove", row["order_sn"], "-o", str(path), "--withhold", "buyer", *WHY)
    seen = library.see("carol", *asked)

    assert seen.exit == 0, seen.err
    assert row["email"] not in path.read_text("utf-8")
    assert "left out: buyer, secret" in seen.out
    assert "its times are the archive's own word" in " ".join(seen.out.split())
    assert f"verify_proof.py {path} --anchor archive.json" in seen.out
    assert (
        "未出示：buyer, secret"
        in library.see("carol", *asked[:3], f"{path}.2", *asked[4:], lang="zh_CN.UTF-8").out
    )


def test_whoever_sees_an_order_masked_proves_none(library: Library, path: Path) -> None:
    (row,) = library.rows(DONE.format(5))
    for name in ("sue", "audrey"):
        ran = library.ask(name, "prove", row["order_sn"], "-o", str(path), *WHY)
        assert (ran.exit, ran.codes) == (11, ["not-allowed"])
        assert library.log()[-1]["outcome"] == "denied"
    assert library.ask("carol", "prove", row["order_sn"], "-o", str(path)).codes == [
        "purpose-missing"
    ]
    assert not path.exists()


def test_what_cannot_be_proven_says_why_and_leaves_no_file(library: Library, path: Path) -> None:
    ran = library.ask("carol", "prove", "NEVER-WAS", "-o", str(path), *WHY)
    assert (ran.exit, ran.codes) == (2, ["nothing-to-prove"])
    assert ran.document["alarms"][0]["next"].startswith("archiver find --order")
    assert library.log()[-1]["outcome"] == "missed"
    assert not path.exists()


def test_a_file_that_is_there_is_refused_before_anybody_asks(library: Library, path: Path) -> None:
    path.write_text("mine")
    asked = len(library.log())
    assert library.ask("carol", "prove", "X", "-o", str(path), *WHY).codes == ["request"]
    assert library.ask("carol", "prove", "X", "-o", "/no/where/x", *WHY).codes == ["request"]
    assert (path.read_text(), len(library.log())) == ("mine", asked)


def test_a_ledger_that_was_cut_is_an_alarm_and_on_record(library: Library, path: Path) -> None:
    (row,) = library.rows(DONE.format(5))
    parts = library.terminal.folder / "vault" / "ledger"
    (last,) = sorted(parts.glob("*.json"))[-1:]
    hidden = last.rename(last.with_suffix(".away"))
    try:
        ran = library.ask("carol", "prove", row["order_sn"], "-o", str(path), *WHY)
    finally:
        hidden.rename(last)
    assert (ran.exit, ran.codes) == (20, ["rollback"])
    assert (library.log()[-1]["outcome"], library.log()[-1]["detail"]) == ("failed", "rollback")
    assert not path.exists()


def test_what_the_script_reads_is_what_json_reads(library: Library, path: Path) -> None:
    (row,) = library.rows(DONE.format(6))
    assert library.ask("carol", "prove", row["order_sn"], "-o", str(path), *WHY).exit == 0
    fields = json.loads(path.read_bytes())["order"]["transaction"]["fields"]
    assert fields["money.paid"] == f"{row['actual_price']:.2f}"


def test_card_secrets_are_revealed_into_a_proof_by_the_rules_of_a_reveal(
    library: Library, path: Path
) -> None:
    (row,) = library.rows(DONE.format(7))
    case = ("--case", "公调证字12号")
    asked = ("prove", row["order_sn"], "-o", str(path), "--with-secret")

    assert library.ask("carol", *asked, *WHY).codes == ["not-allowed"]  # not without a case
    # An approval to see them is none to hand them out.
    assert library.ask("carol", "reveal", row["order_sn"], *case).codes == ["approval-needed"]
    first = library.ask("carol", *asked, *case)
    assert (first.exit, first.codes) == (11, ["approval-needed"])
    requests = library.ask("dora", "approvals").document["approvals"]
    assert len(requests) == 2
    (request,) = [one for one in requests if one["text"].startswith("prove ")]
    assert library.ask("dora", "approve", str(request["number"])).exit == 0
    assert library.ask("carol", *asked, *case, stdin="000000\n").codes == ["code-refused"]
    assert not path.exists()

    code = library.office.code("carol") + "\n"
    ran = library.ask("carol", *asked, *case, stdin=code)
    assert (ran.exit, ran.codes) == (0, ["revealed"]), ran.out
    assert ran.document["withheld"] == []
    shown = json.loads(path.read_bytes())["order"]["secret"]["fields"]["deliveries"]
    assert [one["secret"] for one in shown] == row["info"].splitlines()
    mine = [one for one in library.log() if one["command"] == "prove"]
    assert [one["outcome"] for one in mine[-3:]] == ["answered", "revealed", "done"]
    assert mine[-2]["approval"] == request["number"]
    assert mine[-1]["detail"] == "withheld: -"

    again = library.ask("carol", *asked[:3], f"{path}.2", asked[4], *case)
    assert again.codes == ["approval-needed"]
    both = library.ask("carol", *asked[:3], f"{path}.2", asked[4], "--withhold", "secret", *case)
    assert both.codes == ["request"]


def test_configured_witnesses_are_in_the_proof_and_on_the_screen(
    library: Library, path: Path
) -> None:
    (row,) = library.rows(DONE.format(8))
    witness = f'[[witness]]\nname = "{NAME}"\nurl = "http://127.0.0.1:9"\nkeys = ["{VERIFIER}"]\n'
    library.terminal.configure(("[store]", f"{witness}[store]"))
    try:
        installation = Installation.load(library.terminal.config)
        archive = installation.archive()
        ledger = Ledger(archive)
        ledger.refresh()
        checkpoint = ledger.checkpoint()
        assert checkpoint is not None
        line = f"{cosign(checkpoint.head.text, VERIFIER.name, WITNESS_KEY, NOON)}\n".encode()
        key = layout.cosignature_key(checkpoint.size, NAME)
        archive.store.put(key, io.BytesIO(line), retain_until=archive.evidence_until())

        seen = library.see("carol", "prove", row["order_sn"], "-o", str(path), *WHY)
        assert seen.exit == 0, seen.err
        assert f"seen by witness {NAME} at 2026-03-05T04:00:00+00:00" in seen.out

        library.terminal.configure(("[store]", f"{witness.replace('+', '-', 1)}[store]"))
        ran = library.ask("carol", "prove", row["order_sn"], "-o", f"{path}.2", *WHY)
        assert (ran.exit, ran.codes) == (2, ["configuration"])
        assert NAME in ran.document["alarms"][0]["message"]
    finally:
        library.terminal.configure()
