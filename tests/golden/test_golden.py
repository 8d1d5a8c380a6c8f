"""The golden archive of format 1, read by today's code and by FORMAT.md's reader."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.exceptions import InvalidSignature

from archiver.errors import ArchiverError
from tests import format_reader
from tests.auditor import Audit, audit, secret_in
from tests.desk import Desk, totals
from tests.golden.make import V1
from tests.golden.make_proof import PROOF, golden_desk
from tests.proving.exhibits import VERIFIER, lines, replaced


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A copy of the golden archive, a day later."""
    return golden_desk(tmp_path)


def told(found: Audit) -> list[list[object]]:
    return [
        [row["order_id"], row["revision"], row["completed_at"].isoformat(), row["buyer"]["contact"]]
        for row in found.orders
    ]


def test_the_golden_archive_holds_what_it_held(desk: Desk) -> None:
    found = audit(desk.place, desk.store)
    assert told(found) == json.loads((V1 / "expected.json").read_text())
    assert len(found.orders) == 31
    assert [row["reason"] for row in found.rejects] == ["negative-money", "unknown-status"]


def test_the_reader_of_the_format_reads_the_golden_archive(desk: Desk) -> None:
    anchor = desk.place.keys.anchor.read_bytes()
    fetch = format_reader.fetch_from(desk.store)
    roots: format_reader.Roots = {
        "base": secret_in(desk.place.folder / "root.key", "seed"),
        "reveal": secret_in(desk.place.folder / "reveal-root.key", "seed"),
    }
    tables = [
        table for number in (1, 2, 3) for table in format_reader.read(fetch, anchor, number, roots)
    ]
    rows = pa.concat_tables(tables).to_pylist()
    assert [row["order_id"] for row in rows] == [
        order for order, *_ in json.loads((V1 / "expected.json").read_text())
    ]
    secrets = {row["order_id"]: [d["secret"] for d in row["deliveries"]] for row in rows}
    assert secrets["N7"] == ["CARD-000007-A", "CARD-000007-B"]


@pytest.mark.parametrize("remembering", [True, False], ids=["same host", "new host"])
def test_a_night_of_today_goes_on_where_the_golden_ones_ended(
    desk: Desk, *, remembering: bool
) -> None:
    if not remembering:
        shutil.rmtree(desk.place.folder / "index")
    report = desk.night()
    assert report.failures == []
    # Tokens and digests are what they were: nothing is new, nothing has changed.
    assert totals(report) == {"read": 32, "unchanged": 30, "rejected_before": 2}


@pytest.mark.parametrize("kind", ["orders", "rejects", "segments", "known", "manifests", "cohorts"])
@pytest.mark.parametrize("where", [0.1, 0.5, 0.99])
def test_a_damaged_copy_is_found_out(desk: Desk, kind: str, where: float) -> None:
    path = next(p for p in sorted((desk.place.folder / "vault" / kind).rglob("*")) if p.is_file())
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 0x04
    path.write_bytes(content)
    with pytest.raises((AssertionError, ValueError, ArchiverError, InvalidSignature)):
        audit(desk.place, desk.store)


def test_a_lost_object_is_found_out(desk: Desk) -> None:
    for path in (desk.place.folder / "vault" / "known").rglob("*.parquet"):
        shutil.rmtree(path)
        break
    with pytest.raises(ArchiverError):
        audit(desk.place, desk.store)


def test_the_golden_proof_proves_what_it_proved() -> None:
    """It was made once, and strangers have it on their disks."""
    proof = (PROOF / "order.proof.json").read_bytes()
    known = {"witnesses": [str(VERIFIER)], "roots": (PROOF / "authority.pem").read_bytes()}
    said = lines(proof, (V1 / "archive.json").read_bytes(), **known)
    assert said == (PROOF / "expected.txt").read_text("utf-8").splitlines()
    assert '  deliveries.2.secret = "CARD-000007-B"' in said
    path = ["order", "secret", "fields", "deliveries", 1, "secret"]
    with pytest.raises(ValueError, match="not the sealed one"):
        lines(replaced(proof, path, "CARD-000007-C"))
