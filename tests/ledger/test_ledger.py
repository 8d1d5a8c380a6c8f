"""The ledger on good days: it grows, is signed, shows what is in it, and is found again."""

from dataclasses import replace

import pytest

from archiver import merkle
from archiver.errors import KeyUnavailableError
from archiver.ledger import Ledger, verifier_keys
from archiver.signed_note import open_checkpoint
from schemas.documents import LedgerEntry
from tests.faults import Count
from tests.ledger.books import Books


def test_an_archive_begins_with_an_empty_ledger(books: Books) -> None:
    ledger = books.ledger()
    assert (ledger.size, ledger.checkpoint(), ledger.entries) == (0, None, [])
    assert ledger.append([]) is None
    assert (ledger.root, ledger.grown_at) == (merkle.EMPTY_ROOT, None)
    assert list(books.store.list_versions("ledger/")) == []


def test_what_is_entered_is_numbered_and_signed(books: Books) -> None:
    ledger = books.ledger()
    first = ledger.append([books.noted(1), books.noted(2)])
    second = ledger.append([books.noted(3)])
    assert first is not None
    assert second is not None
    assert (first.size, second.size, ledger.size) == (2, 3, 3)
    entries = [LedgerEntry.model_validate_json(text) for text in ledger.entries]
    assert [entry.number for entry in entries] == [0, 1, 2]
    assert [entry.key for entry in entries] == [books.noted(n).key for n in (1, 2, 3)]
    head = open_checkpoint(second.note, verifier_keys(ledger.archive), where="")
    assert head.origin == f"order-archive/{ledger.archive.id}"
    assert head.root == merkle.tree_hash([merkle.leaf_hash(t.encode()) for t in ledger.entries])
    assert books.audited() == [1, 2, 3]


def test_nothing_is_entered_twice(books: Books) -> None:
    ledger = books.enter(1, 2)
    before = len(list(books.store.list_versions("")))
    assert books.enter(2, 1).checkpoint() == ledger.checkpoint()
    assert len(list(books.store.list_versions(""))) == before


def test_another_host_finds_the_same_ledger(books: Books) -> None:
    for number in range(7):
        books.enter(number)
    ours = books.ledger()
    theirs = books.ledger("elsewhere")
    assert (theirs.size, theirs.root, theirs.entries) == (7, ours.root, ours.entries)
    assert theirs.checkpoint() == ours.checkpoint()
    theirs.append([books.noted(7), books.noted(8)])
    ours.refresh()
    assert ours.entries == theirs.entries
    assert books.audited() == list(range(9))


@pytest.mark.parametrize("marked", [1, 4, 1000])
def test_any_entry_and_any_earlier_checkpoint_is_shown_to_be_in_the_ledger(
    books: Books, monkeypatch: pytest.MonkeyPatch, marked: int
) -> None:
    monkeypatch.setattr("archiver.ledger.local_copy.MARKED", marked)
    books.enter(0, 1, 2)
    books.enter(3)
    books.enter(4, 5, 6, 7, 8)
    books.enter(9, 10)
    ledger = books.ledger()
    leaves = [merkle.leaf_hash(text.encode()) for text in books.ledger("elsewhere").entries]
    roots = [merkle.tree_hash(leaves[:size]) for size in range(ledger.size + 1)]
    for size in range(1, ledger.size + 1):
        for number in range(size):
            path = ledger.inclusion(number, size)
            merkle.verify_inclusion(leaves[number], number, size, path, roots[size], where="")
        for old in range(size + 1):
            proof = ledger.consistency(old, size)
            merkle.verify_consistency(old, roots[old], size, roots[size], proof, where="")
        assert ledger.root_at(size) == roots[size]


def test_the_part_of_an_entry_is_found(books: Books) -> None:
    books.enter(0, 1, 2, 3, 4)
    books.enter(5, 6, 7, 8)
    ledger = books.ledger()
    assert [(part.first, part.size) for part in map(ledger.part_with, (0, 4, 5, 8))] == [
        *((0, 5), (0, 5)),
        *((5, 9), (5, 9)),
    ]
    entry = ledger.entry_of(books.noted(6).key)
    assert entry is not None
    assert (entry.number, ledger.entry_of("documents/00")) == (6, None)
    with pytest.raises(ValueError, match="entry 9"):
        ledger.part_with(9)


@pytest.mark.parametrize("damage", ["no marks", "half a mark", "a mark", "an entry", "no parts"])
def test_what_is_shown_from_a_damaged_copy_is_sound_or_read_anew(
    books: Books, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr("archiver.ledger.local_copy.MARKED", 2)
    for number in range(8):
        books.enter(number)
    sound = books.ledger("elsewhere")
    leaves = [merkle.leaf_hash(text.encode()) for text in sound.entries]
    ledger = books.ledger()
    marks, parts = (
        books.place.folder / "index/ledger" / name for name in ("marks.jsonl", "parts.jsonl")
    )
    if damage.startswith("no "):
        (marks if damage == "no marks" else parts).unlink()
    elif damage == "half a mark":
        marks.write_bytes(marks.read_bytes()[:-9])
    elif damage == "a mark":
        marks.write_bytes(marks.read_bytes().replace(b"[2, ", b"[3, "))
    else:
        parts.write_bytes(parts.read_bytes().replace(b"documents/0002", b"documents/0009"))
    for number in range(8):
        path = ledger.inclusion(number, number + 1)
        root = sound.root_at(number + 1)
        merkle.verify_inclusion(leaves[number], number, number + 1, path, root, where="")
        assert ledger.root_at(number + 1) == root
        assert ledger.part_with(number) == sound.part_with(number)
        assert ledger.entry_of(f"documents/{number:04d}") == sound.entry_of(
            f"documents/{number:04d}"
        )
    assert ledger.consistency(3, 7) == sound.consistency(3, 7)
    assert ledger.entry_of("documents/0009") is None


def test_a_host_that_knows_the_ledger_asks_little(books: Books) -> None:
    for number in range(30):
        books.enter(number)
    ledger = books.ledger()
    document = books.noted(30)
    store = Count(books.store)
    archive = books.archive(store=store)
    store.calls.clear()
    again = Ledger(archive)
    again.refresh()
    assert (again.size, again.checkpoint()) == (30, ledger.checkpoint())
    assert store.calls == {"list_versions": 2}
    again.append([document])
    assert store.calls == {"list_versions": 3, "put": 2}


def test_many_additions_elsewhere_are_read_at_once(books: Books) -> None:
    books.enter(0)
    for number in range(1, 40):
        books.enter(number, host="elsewhere")
    theirs = books.ledger("elsewhere")
    store = Count(books.store)
    archive = books.archive(store=store)
    store.calls.clear()
    again = Ledger(archive)
    again.refresh()
    assert again.entries == theirs.entries
    assert store.calls["list_versions"] <= 6
    assert store.calls["get"] == 39 + 1


def test_much_at_once_is_several_parts(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archiver.ledger.opened.LARGEST", 4)
    books.enter(*range(10))
    assert [part.size for part in books.ledger("elsewhere").parts()] == [4, 8, 10]
    assert books.audited() == list(range(10))


def test_a_host_that_keeps_nothing_reads_all_and_adds_all_the_same(books: Books) -> None:
    books.enter(1, 2)
    forgetful = Ledger(replace(books.archive(), memory=None))
    forgetful.append([books.noted(3)])
    assert len(forgetful.entries) == 3
    assert books.audited() == [1, 2, 3]


def test_a_host_without_a_signing_key_reads_and_adds_nothing(books: Books) -> None:
    books.enter(1)
    reader = Ledger(replace(books.archive("elsewhere"), keys=None))
    reader.refresh()
    assert reader.size == 1
    with pytest.raises(KeyUnavailableError):
        reader.append([books.noted(2)])
    assert books.audited() == [1]
