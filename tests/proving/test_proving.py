"""An order is proven with four GETs, as it was sealed, or there is no proof and a reason."""

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import layout, partition
from archiver.errors import Exit, RollbackError, StoreError, TamperedError
from archiver.ledger import Ledger
from archiver.proving import NotInLedgerError, Outsiders
from archiver.proving.outsiders import LONGEST_ANSWER, TRIED
from archiver.signed_note import COSIGNATURE, Signature, VerifierKey
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.desk import at, founded
from tests.proving.exhibits import (
    NAME,
    SEEN_BY_ONE,
    VERIFIER,
    Office,
    lines,
    little_shop,
    office_at,
    remembering,
    witnessed,
)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    desk = little_shop(tmp_path_factory.mktemp("proving"))
    with office_at(desk) as made:
        for part in made.ledger.parts():
            witnessed(desk, made.checkpoint(part.size))
        yield made


def test_a_proof_takes_its_partition_its_checkpoint_and_each_witness(office: Office) -> None:
    proof = office.prove("N2")

    kinds = [key.split("/")[0] for key in office.store.gets]
    assert kinds == ["orders", "checkpoints", "ledger"]
    assert office.store.gets[2] == layout.cosignature_key(2, NAME)
    # The first checkpoint behind the order counts, not the latest.
    assert json.loads(proof)["ledger"]["checkpoint"].split("\n")[1] == "2"
    assert office.ledger.size > 2


def test_a_host_that_knows_the_ledger_reads_on_without_a_get(office: Office) -> None:
    office.store.gets.clear()
    Ledger(office.archive).refresh()
    assert office.store.gets == []


def test_a_host_that_has_lost_its_copies_fetches_the_manifest_as_well(
    office: Office, tmp_path: Path
) -> None:
    kept = office.catalog.cache.rename(tmp_path / "manifests")
    try:
        again = office.prove("N2")
    finally:
        shutil.rmtree(office.catalog.cache, ignore_errors=True)
        kept.rename(office.catalog.cache)
    assert again == office.prove("N2")


def test_a_copy_that_was_altered_on_this_host_is_not_taken(office: Office) -> None:
    whole = office.prove("N2")
    path = next(office.catalog.cache.glob("00000001-*.json"))
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content.replace(b"payload", b"peyload"))
    try:
        assert office.prove("N2") == whole
        assert "manifests/00000001.json" in office.store.gets
    finally:
        path.write_bytes(content)


def test_the_buyer_can_be_withheld_and_is_nowhere_in_the_file(office: Office) -> None:
    proof = office.prove("N2", withheld={"buyer"})

    assert b"buyer-2@example.com" in office.prove("N2")
    assert b"buyer-2" not in proof
    assert json.loads(proof)["order"]["buyer"].keys() == {"commitment"}
    said = lines(proof, office.anchor)
    assert any(line.startswith("buyer — withheld 未出示: buyer.account") for line in said)
    assert '  order_id = "N2"' in said


def test_nothing_of_any_other_order_is_in_the_file(office: Office) -> None:
    proof = office.prove("N3").decode()
    for other in (1, 2, 4, 5):
        assert f'"N{other}"' not in proof
        assert f"buyer-{other}@" not in proof


def test_every_order_of_every_row_group_is_proven(tmp_path: Path) -> None:
    with patch.object(partition, "ROW_GROUP_ROWS", 3):
        desk = founded(tmp_path, [cards.order(n, at(4, 8 + n)) for n in range(1, 8)])
        desk.night_of(4)
        with office_at(desk) as office:
            shown = [json.loads(office.prove(f"N{n}", outsiders=Outsiders())) for n in range(1, 8)]
    assert sorted(one["partition"]["row"] for one in shown) == list(range(7))
    assert {len(one["partition"]["path"]) for one in shown} == {2, 3}


# --- witnesses ----------------------------------------------------------------------------------


def test_a_checkpoint_that_nobody_saw_gives_way_to_the_first_that_somebody_did(
    tmp_path: Path,
) -> None:
    desk = little_shop(tmp_path)
    with office_at(desk) as office:
        assert lines(office.prove("N2"))[-1].startswith("NOBODY outside has seen it")
        witnessed(desk, office.checkpoint(office.ledger.size))
        proof = office.prove("N2")
    assert json.loads(proof)["ledger"]["checkpoint"].split("\n")[1] == str(office.ledger.size)
    assert lines(proof, witnesses=[str(VERIFIER)])[-1].startswith("witnessed 见证: ")


def test_what_does_not_hold_is_left_out_and_told(tmp_path: Path) -> None:
    desk = little_shop(tmp_path)
    key = layout.cosignature_key(2, NAME)
    with office_at(desk) as office:
        line = f"— {VERIFIER.name} AAAA\n".encode()
        desk.store.put(key, io.BytesIO(line), retain_until=at(6))
        proof = office.prove("N2")
        (alarm,) = office.archive.alarms
    assert json.loads(proof)["witnesses"] == []
    assert isinstance(alarm, TamperedError)
    assert alarm.params["key"] == key


def test_nobody_keeps_a_cosignature_away_by_what_he_puts_in_front(tmp_path: Path) -> None:
    desk = little_shop(tmp_path)
    assert isinstance(desk.store, MemoryStore)
    with office_at(desk) as office:
        key = layout.cosignature_key(2, NAME)
        other = VerifierKey(name="x", public_key=bytes(32), signs=COSIGNATURE)
        foreign = f"{Signature(other.name, other.key_id, bytes(72))}\n".encode()
        large = [bytes(LONGEST_ANSWER + 1)] * (TRIED + 1)  # none of them is fetched
        for content in (*large, b"mine\n", foreign):
            desk.store.overwrite(key, content, retain_until=at(6))
        witnessed(desk, office.checkpoint(2), aside="0123abcd")
        proof = office.prove("N2")
        assert office.archive.alarms == []
    assert lines(proof, witnesses=[str(VERIFIER)])


def test_lines_of_keys_that_are_not_configured_are_not_taken(office: Office) -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    stranger = VerifierKey(name=VERIFIER.name, public_key=other, signs=COSIGNATURE)
    proof = office.prove("N2", outsiders=Outsiders(witnesses={NAME: (stranger,)}))
    assert json.loads(proof)["witnesses"] == []


def test_of_a_signer_who_was_revoked_since_it_is_said_whether_anybody_saw_it_before(
    office: Office,
) -> None:
    by_source, _ = office.finder.revisions("N2")
    (found,) = by_source.values()
    now = office.desk.clock.now()
    for revoked, seen in ((now + timedelta(days=1), True), (now, False)):
        proving = office.proving()
        proving.archive = replace(office.archive, revoked={1: revoked, 2: revoked})
        gathered = proving.gather(found)
        assert gathered.revoked == {1: revoked}
        assert gathered.seen_before(revoked) is seen
        assert lines(gathered.written({"secret"}))
    assert office.proving().gather(found).revoked == {}


# --- no proof -----------------------------------------------------------------------------------


def test_what_is_not_in_the_ledger_yet_is_asked_for_again_later(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4))])
    with patch("archiver.nightly.extend_ledger", side_effect=StoreError(key="k", detail="down")):
        desk.night()
    with office_at(desk) as office, pytest.raises(NotInLedgerError) as told:
        office.prove("N1")
    assert (told.value.exit, told.value.next_command) == (Exit.TRY_LATER, "archiver nightly")
    assert "第 1 号清单" in told.value.text("zh")


def test_a_part_without_its_checkpoint_is_asked_for_again_later(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4))])
    killed = patch("archiver.ledger.opened.put_checkpoint", side_effect=KeyboardInterrupt)
    with killed, pytest.raises(KeyboardInterrupt):
        desk.night()
    with office_at(desk) as office, pytest.raises(NotInLedgerError):
        office.prove("N1")
    desk.night()
    with office_at(desk) as office:
        assert lines(office.prove("N1"))


def test_a_ledger_that_was_cut_proves_nothing(tmp_path: Path) -> None:
    desk = little_shop(tmp_path)
    assert isinstance(desk.store, MemoryStore)
    (last,) = desk.store.list_versions("ledger/00000002.json")
    desk.store.drop(last.key, last.version_id)
    with pytest.raises(RollbackError):
        Ledger(remembering(desk)).refresh()


def test_a_checkpoint_signed_with_another_key_proves_nothing(tmp_path: Path) -> None:
    desk = little_shop(tmp_path)
    with office_at(desk) as office:
        office.archive.signers.clear()  # type: ignore[attr-defined]
        with pytest.raises(TamperedError):
            office.prove("N2")


def test_a_partition_that_is_not_the_signed_one_proves_nothing(office: Office) -> None:
    by_source, _ = office.finder.revisions("N2")
    (found,) = by_source.values()
    others, _ = office.finder.revisions("N1")
    (other,) = others.values()
    mixed = replace(
        found, hit=replace(other.hit, partition=replace(other.hit.partition, manifest=1))
    )
    with pytest.raises(TamperedError, match="no manifest names it"):
        office.proving(SEEN_BY_ONE).gather(mixed)
    beyond = replace(found, hit=replace(found.hit, row=99))
    with pytest.raises(TamperedError, match="not those that were signed"):
        office.proving(SEEN_BY_ONE).gather(beyond)
