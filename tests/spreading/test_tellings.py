"""Witnesses are told each head; what they owe, lose or know otherwise is found and told."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from archiver import layout
from archiver.errors import (
    ArchiverError,
    Exit,
    SplitViewError,
    StoreError,
    TamperedError,
    WitnessAheadError,
    WitnessLateError,
    WitnessLostError,
)
from archiver.ledger import Ledger, verifier_keys
from archiver.signed_documents import versions_of
from archiver.signed_note import cosign, parse_signatures, verify_cosignature
from archiver.spreading import Circle, Holding, Spread, remembered, spread
from archiver.stores.memory import MemoryStore
from archiver.witnesses import EndpointWitness, FileWitness, StoreWitness, Witness
from tests.clock import NOON
from tests.faults import FaultyStore
from tests.ledger.books import Books
from tests.servers.witness import WitnessServer

HOUR = timedelta(hours=1)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = Books.found(tmp_path)
    books.ledger().append([books.noted(n) for n in range(1, 4)])
    return books


@pytest.fixture
def share(tmp_path: Path) -> FileWitness:
    (tmp_path / "share").mkdir()
    return FileWitness(name="share", path=tmp_path / "share" / "heads")


def told(books: Books, *witnesses: Witness, ledger: Ledger | None = None) -> Spread:
    ledger = ledger or books.ledger()
    return spread(ledger.archive, ledger, Circle(witnesses=witnesses))


def grow(books: Books, *numbers: int) -> None:
    books.ledger().append([books.noted(number) for number in numbers])


def codes(failures: list[ArchiverError]) -> list[str]:
    return [failure.code for failure in failures]


def down(witness: FileWitness) -> None:
    witness.path.parent.rename(witness.path.parent.with_name("away"))


def up(witness: FileWitness) -> None:
    witness.path.parent.with_name("away").rename(witness.path.parent)


def notary(server: WitnessServer) -> EndpointWitness:
    return EndpointWitness(name="notary", url=server.url, keys=[server.verifier])


def test_all_kinds_of_witnesses_hold_each_head(
    books: Books, share: FileWitness, witness_server: WitnessServer
) -> None:
    books.clock.instant = datetime.now(UTC)
    archive = books.archive()
    witness_server.logs += verifier_keys(archive)
    vault = StoreWitness(
        name="vault",
        place="s3://other",
        archive=archive.id,
        store=MemoryStore(clock=books.clock),
        retain_until=archive.evidence_until(),
    )
    everybody = (share, vault, notary(witness_server))
    for size in (3, 4):
        for _ in range(2):  # the second time, nobody learns anything new
            found = told(books, *everybody)
            assert [one.witness for one in found.holdings] == ["share", "vault", "notary"]
            assert [one.size for one in found.holdings] == [size] * 3
            assert all(one.behind_since is None for one in found.holdings)
            assert found.failures == []
            later = remembered(archive, Circle(witnesses=everybody), size, books.clock.now())
            assert later.holdings == found.holdings
        key = layout.cosignature_key(size, "notary")
        (version,) = versions_of(books.store, key)
        stored = books.store.head(key, version.version_id)
        assert stored.retain_until == archive.evidence_until().replace(microsecond=0)
        (line,) = parse_signatures(books.store.get(key).decode(), where=key)
        note = books.store.get(layout.checkpoint_key(size)).decode()
        text = note.partition("\n\n")[0] + "\n"
        assert verify_cosignature(text, line, witness_server.verifier, where=key)
        grow(books, 4)


def test_a_witness_that_is_down_for_a_day_is_an_alarm_and_one_that_comes_back_catches_up(
    books: Books, share: FileWitness
) -> None:
    told(books, share)
    down(share)
    for hours, number in ((0, 4), (23, 5)):
        books.clock.instant = NOON + hours * HOUR
        grow(books, number)
        found = told(books, share)
        assert found.failures == []
        (holding,) = found.holdings
        assert (holding.size, holding.confirmed_at, holding.behind_since) == (3, NOON, NOON)
        assert "mounted" in str(holding.reason)
    books.clock.instant = NOON + 24 * HOUR
    for failures in (
        told(books, share).failures,
        remembered(books.archive(), Circle(witnesses=[share]), 5, books.clock.now()).failures,
    ):
        (late,) = failures
        assert isinstance(late, WitnessLateError)
        assert late.exit is Exit.TRY_LATER
        for language, word in (("en", "mounted"), ("zh", "挂载")):
            text = late.text(language)
            assert all(fact in text for fact in ("share", "2026-03-05T04:00Z", "3", "5", word))
    up(share)
    found = told(books, share)
    assert found.failures == []
    assert found.holdings == [
        Holding(witness="share", size=5, confirmed_at=books.clock.now()),
    ]


def test_a_ledger_that_was_set_back_with_this_host_is_found_out(
    books: Books, share: FileWitness
) -> None:
    told(books, share)
    grow(books, 4, 5)
    told(books, share)
    for key in (layout.ledger_key(3), layout.checkpoint_key(5)):
        for version in versions_of(books.store, key):
            books.store.drop(key, version.version_id)
    ledger = books.ledger("another host")
    for number in (6, 7):  # and while it is so
        (failure,) = told(books, share, ledger=ledger).failures
        assert isinstance(failure, WitnessAheadError)
        assert failure.exit is Exit.ALARM
        assert failure.params["held"] == 5
        (still,) = remembered(ledger.archive, Circle(witnesses=[share]), ledger.size, NOON).failures
        assert str(still) == str(failure)
        if number == 6:
            ledger.append([books.noted(number)])
    ledger.append([books.noted(number) for number in (7, 8)])
    (failure,) = told(books, share, ledger=ledger).failures  # it is as long as before, and another
    assert isinstance(failure, SplitViewError)


def test_what_this_host_saw_confirmed_counts_also_while_the_witness_is_down(
    books: Books, share: FileWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = books.ledger()
    grow(books, 4)
    told(books, share)
    down(share)
    monkeypatch.setattr(Ledger, "refresh", lambda _: None)  # nobody has seen the fourth entry
    (failure,) = told(books, share, ledger=ledger).failures
    assert isinstance(failure, WitnessAheadError)


def test_what_another_host_has_told_the_witness_is_no_alarm(
    books: Books, share: FileWitness
) -> None:
    ledger = books.ledger("this host")
    grow(books, 4, 5)
    told(books, share)
    found = told(books, share, ledger=ledger)
    assert found.failures == []
    assert found.holdings[0].size == 5


def test_a_witness_that_has_forgotten_is_an_alarm_once(books: Books, share: FileWitness) -> None:
    told(books, share)
    share.path.write_bytes(b"")
    grow(books, 4)
    (failure,) = told(books, share).failures
    assert isinstance(failure, WitnessLostError)
    assert failure.exit is Exit.ALARM
    assert told(books, share).failures == []


def test_a_second_store_that_cannot_lock_is_a_poor_witness_and_no_alarm(books: Books) -> None:
    archive = books.archive()
    vault = StoreWitness(
        name="vault",
        place="s3://other",
        archive=archive.id,
        store=MemoryStore(clock=books.clock, object_lock=False),
        retain_until=archive.evidence_until(),
    )
    found = told(books, vault)
    assert found.failures == []
    assert "cannot lock" in str(found.holdings[0].reason)


def test_something_else_at_a_cosignatures_key_is_an_alarm_and_keeps_none_away(
    books: Books, witness_server: WitnessServer
) -> None:
    books.clock.instant = datetime.now(UTC)
    witness_server.logs += verifier_keys(books.archive())
    key = layout.cosignature_key(3, "notary")
    books.store.overwrite(key, b"junk")
    found = told(books, notary(witness_server))
    (failure,) = found.failures
    assert isinstance(failure, TamperedError)
    assert key in str(failure)
    assert found.holdings[0].size == 3
    keys = {one.key for one in books.store.list_versions(layout.COSIGNATURES)} - {key}
    assert {layout.cosignature_place(one) for one in keys} == {(3, "notary")}
    (line,) = parse_signatures(books.store.get(keys.pop()).decode(), where=key)
    assert line.is_by(witness_server.verifier)


def test_what_another_host_has_kept_of_a_witness_will_do_as_well(
    books: Books, witness_server: WitnessServer
) -> None:
    books.clock.instant = datetime.now(UTC)
    ledger = books.ledger()
    witness_server.logs += verifier_keys(ledger.archive)
    head = ledger.checkpoint()
    assert head is not None
    earlier = books.clock.now() - timedelta(seconds=10)
    line = cosign(head.head.text, witness_server.name, witness_server.key, earlier)
    key = layout.cosignature_key(3, "notary")
    books.store.put(key, BytesIO(f"{line}\n".encode()), retain_until=NOON + timedelta(days=3000))
    assert told(books, notary(witness_server)).failures == []
    assert [one.key for one in books.store.list_versions(layout.COSIGNATURES)] == [key]


def test_a_host_that_remembers_nothing_tells_all_the_same(books: Books, share: FileWitness) -> None:
    ledger = books.ledger()
    forgetful = replace(ledger.archive, memory=None)
    for _ in range(2):
        found = spread(forgetful, ledger, Circle(witnesses=[share]))
        assert found.failures == []
        assert found.holdings[0].size == 3


def test_a_disk_that_keeps_no_record_is_said(books: Books, share: FileWitness) -> None:
    ledger = books.ledger()
    (books.place.folder / "index" / "witnesses").write_bytes(b"in the way")
    found = spread(ledger.archive, ledger, Circle(witnesses=[share]))
    assert codes(found.failures) == ["local-disk"]
    assert share.path.exists()


def test_a_witness_that_is_ahead_of_a_store_that_is_silent_is_an_alarm_with_both(
    books: Books, share: FileWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = books.ledger("this host")
    grow(books, 4)
    told(books, share)

    def silent(_: Ledger) -> None:
        raise StoreError(key="ledger/", detail="timeout")

    monkeypatch.setattr(Ledger, "refresh", silent)
    assert codes(told(books, share, ledger=ledger).failures) == [
        "witness-ahead",
        "store-unavailable",
    ]


@pytest.mark.parametrize("lost_reply", [False, True])
def test_whatever_call_of_the_store_fails_the_next_run_has_the_cosignature(
    books: Books, witness_server: WitnessServer, lost_reply: bool
) -> None:
    books.clock.instant = datetime.now(UTC)
    witness_server.logs += verifier_keys(books.archive())
    witness = notary(witness_server)
    for fail_at in itertools.count():
        grow(books, 10 + fail_at)
        store = FaultyStore(books.store, lost_reply=lost_reply)
        faulty = books.ledger(store=store)
        store.calls, store.fail_at = 0, fail_at
        found = told(books, witness, ledger=faulty)
        assert found.failures == []
        (owing,) = found.holdings
        if store.calls <= fail_at:  # each call has failed once
            assert owing.behind_since is None
            break
        assert owing.behind_since == books.clock.now()
        found = told(books, witness)
        assert found.failures == []
        assert found.holdings[0].size == faulty.size
        key = layout.cosignature_key(faulty.size, "notary")
        (line,) = parse_signatures(books.store.get(key).decode(), where=key)
        assert line.is_by(witness_server.verifier)
    assert fail_at > 0


def test_two_runs_of_a_host_that_tell_at_once_agree(
    books: Books, share: FileWitness, witness_server: WitnessServer
) -> None:
    books.clock.instant = datetime.now(UTC)
    witness_server.logs += verifier_keys(books.archive())
    for number in range(4, 8):
        grow(books, number)
        ledgers = [books.ledger(), books.ledger()]
        with ThreadPoolExecutor(2) as executor:
            found = list(
                executor.map(
                    lambda ledger: told(books, share, notary(witness_server), ledger=ledger),
                    ledgers,
                )
            )
        assert [one.failures for one in found] == [[], []]
        assert {one.size for each in found for one in each.holdings} == {number}
        assert all(one.reason is None for each in found for one in each.holdings)
    assert len(share.path.read_bytes().splitlines()) == 4


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format":2}', b"\xff"])
def test_a_record_that_is_lost_or_damaged_is_made_again(
    books: Books, share: FileWitness, damage: bytes
) -> None:
    told(books, share)
    (record,) = (books.place.folder / "index" / "witnesses").glob("witness-share.json")
    record.write_bytes(damage)
    assert told(books, share).failures == []
    assert json.loads(record.read_bytes())["size"] == 3


def test_another_place_under_the_same_name_begins_anew(
    books: Books, share: FileWitness, tmp_path: Path
) -> None:
    told(books, share)
    moved = FileWitness(name="share", path=tmp_path / "elsewhere")
    assert told(books, moved).failures == []
    assert moved.path.exists()


def test_with_nobody_to_tell_nothing_is_done(books: Books) -> None:
    assert told(books) == Spread(size=3)
    assert not (books.place.folder / "index" / "witnesses").exists()
