"""The ledger on bad days: runs die, replies are lost, others write, strangers put files."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeVar

import pytest

from archiver import layout
from archiver.errors import AnotherRunError, LocalDiskError, LockNotHonouredError, StoreError
from archiver.ledger import Ledger
from archiver.ports import StoredObject
from archiver.stores.memory import MemoryStore
from tests.faults import Count, FaultyStore
from tests.ledger.books import Books, keys_below, parts_in

T = TypeVar("T")

# --- runs die ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost_reply", [False, True], ids=["not-done", "unheard"])
@pytest.mark.parametrize("host", ["index", "elsewhere"])
def test_an_addition_can_be_repeated_after_a_failure_at_any_call(
    books: Books, tmp_path: Path, lost_reply: bool, host: str
) -> None:
    books.enter(1, 2)
    fail_at, calls = -1, 0
    while fail_at < calls:  # until every call has failed once
        fail_at += 1
        again = books.copy(tmp_path / f"{fail_at}")
        documents = [again.noted(2), again.noted(3)]
        store = FaultyStore(again.store, fail_at=fail_at, lost_reply=lost_reply)
        ledger = Ledger(replace(again.archive(), store=store))
        try:
            ledger.refresh()
            ledger.append(documents)
        except StoreError:
            assert again.audited() in ([1, 2], [1, 2, 3])
            if fail_at % 2:
                ledger.append(documents)  # the same process tries again
            again.enter(2, 3, 4, host=host)
            assert again.audited() == [1, 2, 3, 4]
        calls = store.calls
    assert fail_at > 4


class Hooked(Count):
    """Does something before or after the first put below a prefix."""

    def __init__(self, store: MemoryStore, prefix: str, hook: Callable[[], object]) -> None:
        super().__init__(store)
        self.prefix, self.hook = prefix, hook
        self.after = False

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        due = method == "put" and key.startswith(self.prefix)
        hook, self.hook = (self.hook, lambda: None) if due else (lambda: None, self.hook)
        if not self.after:
            hook()
        answer = super()._call(method, key, act)
        if self.after:
            hook()
        return answer


def died() -> None:
    """End, as a process does that is killed."""
    raise KeyboardInterrupt


def test_a_checkpoint_that_a_dead_run_has_not_signed_is_signed_by_the_next(books: Books) -> None:
    books.enter(1)
    document = books.noted(2)
    dying = Ledger(books.archive(store=Hooked(books.store, "checkpoints/", died)))
    with pytest.raises(KeyboardInterrupt):
        dying.append([document])
    assert list(keys_below(books.store, "checkpoints/")) == ["checkpoints/1"]

    reader = books.ledger("elsewhere")
    assert (reader.size, reader.checkpoint()) == (2, None)
    assert list(keys_below(books.store, "checkpoints/")) == ["checkpoints/1"]
    checkpoint = books.ledger().append([])

    assert checkpoint is not None
    assert checkpoint.size == 2
    reader.refresh()
    assert reader.checkpoint() == checkpoint
    books.enter(2, 3)
    assert books.audited() == [1, 2, 3]


def test_a_local_copy_that_was_not_finished_is_read_on(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.enter(1)
    with monkeypatch.context() as patch:
        # The part's line is there, what says that it counts is not.
        patch.setattr("archiver.ledger.local_copy.write_whole", lambda *_: died())
        with pytest.raises(KeyboardInterrupt):
            books.enter(2)
    lines = (books.place.folder / "index/ledger/parts.jsonl").read_bytes().splitlines()
    assert len(lines) == 2
    assert books.enter(3).entries == books.ledger("elsewhere").entries
    assert books.audited() == [1, 2, 3]


def test_a_full_disk_is_told_and_what_was_signed_stays(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.enter(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("archiver.ledger.local_copy.make_durable", full)
        with pytest.raises(LocalDiskError, match="No space left"):
            books.enter(2)
    assert books.audited() == [1, 2]
    books.enter(2, 3)
    assert books.audited() == [1, 2, 3]


def test_a_store_that_drops_the_lock_is_told(books: Books) -> None:
    class Unlocking(Count):
        def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
            super().put(key, body, retain_until=retain_until)
            raise LockNotHonouredError(key=key, detail="no lock")

    with pytest.raises(LockNotHonouredError):
        Ledger(books.archive(store=Unlocking(books.store))).append([books.noted(1)])
    books.enter(1, 2)
    assert books.audited() == [1, 2]


def test_evidence_is_locked_as_long_as_evidence_is(books: Books) -> None:
    ledger = books.enter(1)
    for key in ("ledger/00000000.json", "checkpoints/1"):
        stored = books.store.head(key, books.version(key))
        assert stored.retain_until == ledger.archive.evidence_until()


# --- others write --------------------------------------------------------------------------------


def test_of_two_writers_at_once_both_enter_what_they_have(books: Books) -> None:
    books.enter(1)
    documents = [books.noted(2), books.noted(3)]
    hooked = Hooked(books.store, "ledger/", lambda: books.enter(3, 4, host="elsewhere"))
    ours = Ledger(books.archive(store=hooked))
    ours.refresh()
    checkpoint = ours.append(documents)
    assert checkpoint is not None
    assert checkpoint.size == 4
    assert books.audited() == [1, 3, 4, 2]


def test_a_writer_that_died_behind_its_part_does_not_keep_another_from_going_on(
    books: Books,
) -> None:
    def other_dies() -> None:
        dying = Hooked(books.store, "checkpoints/", died)
        with pytest.raises(KeyboardInterrupt):
            Ledger(books.archive("elsewhere", store=dying)).append([books.noted(9)])

    document = books.noted(1)
    Ledger(books.archive(store=Hooked(books.store, "ledger/", other_dies))).append([document])
    assert books.audited() == [9, 1]


def test_two_that_sign_the_same_checkpoint_agree(books: Books) -> None:
    document = books.noted(1)
    hooked = Hooked(books.store, "checkpoints/", lambda: books.ledger("elsewhere").append([]))
    ours = Ledger(books.archive(store=hooked))
    assert ours.append([document]) == books.ledger("elsewhere").checkpoint()
    assert books.audited() == [1]


def test_a_writer_that_is_always_too_late_is_told_so(books: Books) -> None:
    numbers = iter(range(100, 200))

    class Slow(Count):
        def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
            if key.startswith("ledger/"):
                books.enter(next(numbers), host="elsewhere")
            return super().put(key, body, retain_until=retain_until)

    document = books.noted(1)
    with pytest.raises(AnotherRunError):
        Ledger(books.archive(store=Slow(books.store))).append([document])
    assert 1 not in books.audited()


@pytest.mark.parametrize("hosts", [1, 4], ids=["one-host", "four-hosts"])
def test_many_writers_at_once_make_one_ledger(
    books: Books, monkeypatch: pytest.MonkeyPatch, hosts: int
) -> None:
    monkeypatch.setattr("archiver.ledger.opened.ATTEMPTS", 100)
    ready = threading.Barrier(4)

    def work(worker: int) -> None:
        ready.wait()
        for number in range(worker * 10, worker * 10 + 3):
            books.enter(number, 99, host=f"host{worker % hosts}")

    for number in (*range(43), 99):
        books.noted(number)  # stored before: the memory store's own order is not the point
    with ThreadPoolExecutor(4) as executor:
        list(executor.map(work, range(4)))
    assert sorted(books.audited()) == [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 99]


class Careless(Count):
    """Lets every writer of a key win, as some servers do."""

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        assert isinstance(self.store, MemoryStore)
        content = body.read()
        until = retain_until.replace(microsecond=0)
        return self.store.head(key, self.store.overwrite(key, content, retain_until=until))


def test_where_every_writer_wins_the_earliest_part_counts_and_one_checkpoint_is_signed(
    books: Books,
) -> None:
    documents = [books.noted(1), books.noted(2), books.noted(3)]
    careless = Careless(books.store)

    def other_is_quicker() -> None:
        Ledger(books.archive("elsewhere", store=careless)).append(documents[1:])

    hooked = Hooked(books.store, "ledger/", other_is_quicker)
    hooked.store = careless
    ours = Ledger(books.archive(store=hooked))
    ours.append(documents[:1])

    assert keys_below(books.store, "ledger/") == {
        "ledger/00000000.json": 2,
        "ledger/00000002.json": 1,
    }
    assert sorted(keys_below(books.store, "checkpoints/")) == ["checkpoints/2", "checkpoints/3"]
    for host in ("index", "elsewhere", "third"):
        assert books.ledger(host).root == ours.root
    assert books.audited() == [2, 3, 1]


def test_of_two_parts_the_one_that_a_checkpoint_was_signed_over_counts(books: Books) -> None:
    # The loser's request was under way for long, and is dated before the winner's.
    ledger = books.enter(1)
    late = books.copy(books.place.folder / "late")
    late.drop("ledger/00000000.json")
    late.drop("checkpoints/1")
    late.clock.advance(timedelta(seconds=-9))
    late.enter(2, 3, host="late")
    (slow,) = late.store._versions["ledger/00000000.json"]
    books.store._versions["ledger/00000000.json"].insert(0, replace(slow, version_id="slow"))

    assert books.ledger("elsewhere").root == ledger.root
    assert books.ledger().root == ledger.root


# --- strangers put files -------------------------------------------------------------------------


def alarms(ledger: Ledger) -> list[str]:
    return [str(alarm.params["key"]) for alarm in ledger.archive.alarms]


def test_a_foreign_file_at_the_next_part_s_key_keeps_nobody_from_adding(books: Books) -> None:
    books.enter(1)
    books.store.overwrite("ledger/00000001.json", b"{}")
    ledger = books.enter(2)
    assert alarms(ledger) == ["ledger/00000001.json"]
    aside = [key for key in parts_in(books.store) if "-" in key]
    assert len(aside) == 1
    assert layout.ledger_first(aside[0]) == 1

    later = books.enter(3)
    assert alarms(later) == []
    for host in ("index", "elsewhere"):
        again = books.ledger(host)
        assert (again.entries, again.checkpoint()) == (later.entries, later.checkpoint())


def test_a_foreign_file_at_the_next_checkpoint_s_key_keeps_nobody_from_signing(
    books: Books,
) -> None:
    books.store.overwrite("checkpoints/1", b"order-archive/0\n1\n")
    ledger = books.enter(1)
    assert alarms(ledger) == ["checkpoints/1"]
    checkpoint = ledger.checkpoint()
    assert checkpoint is not None
    assert layout.checkpoint_size(checkpoint.key) == 1
    assert checkpoint.key != "checkpoints/1"
    assert books.ledger("elsewhere").checkpoint() == checkpoint
    books.enter(2)
    assert books.ledger("elsewhere").size == 2


@pytest.mark.parametrize("what", ["version", "marker"])
def test_what_lies_above_a_part_or_checkpoint_changes_nothing(books: Books, what: str) -> None:
    books.enter(1)
    ledger = books.enter(2)
    for key in (*parts_in(books.store), "checkpoints/1", "checkpoints/2"):
        if what == "marker":
            books.store.add_delete_marker(key)
        else:
            books.store.overwrite(key, b"{}")
    for host in ("index", "elsewhere"):
        again = books.ledger(host)
        assert (again.entries, again.checkpoint()) == (ledger.entries, ledger.checkpoint())
        assert again.archive.alarms == []
    books.enter(3)
    assert books.audited() == [1, 2, 3]


def test_files_far_ahead_and_of_strange_names_are_passed_over(books: Books) -> None:
    books.enter(1)
    first = books.store.get("ledger/00000000.json")
    until = books.clock.now() + timedelta(days=9)
    for key in ("ledger/00000007.json", "ledger/00000001.json.json", "ledger/0000000a.json"):
        books.store.overwrite(key, b"\xff", retain_until=until)
    books.store.overwrite("ledger/00000004.json", first)  # ours, where it does not belong
    books.store.overwrite("checkpoints/01", b"")
    books.store.overwrite("checkpoints/2 ", b"")
    for host in ("index", "elsewhere"):
        assert books.ledger(host).size == 1
    assert books.enter(2).archive.alarms == []
    assert books.enter(3, host="elsewhere").size == 3


def test_another_archive_s_part_is_no_part(books: Books, tmp_path: Path) -> None:
    stranger = Books.found(tmp_path / "stranger")
    stranger.enter(1, 2)
    books.store.overwrite("ledger/00000000.json", stranger.store.get("ledger/00000000.json"))
    ledger = books.enter(7)
    assert ledger.size == 1
    assert alarms(ledger) == ["ledger/00000000.json"]
    content = books.store.get(parts_in(books.store)[0])
    assert sha256(content).hexdigest() == ledger.parts()[0].sha256
