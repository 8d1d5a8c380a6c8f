"""The ledger on good days: it grows, is signed, shows what is in it, and is found again."""

from pathlib import Path

import pytest

from archiver import merkle
from archiver.ledger import Ledger, verifier_keys
from archiver.signed_note import open_checkpoint
from schemas.documents import LedgerEntry
from tests.faults import Count
from tests.ledger.books import Books, audited, noted, seen


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books.found(tmp_path)


def test_an_archive_begins_with_an_empty_ledger(books: Books) -> None:
    ledger = books.ledger()
    assert (ledger.size, ledger.checkpoint(), ledger.entries) == (0, None, [])
    assert ledger.append([]) is None
    assert list(books.store.list_versions("ledger/")) == []


def test_what_is_entered_is_numbered_and_signed(books: Books) -> None:
    ledger = books.ledger()
    first = ledger.append([noted(1), noted(2)])
    second = ledger.append([noted(3)])
    assert first is not None
    assert second is not None
    assert (first.size, second.size, ledger.size) == (2, 3, 3)
    entries = [LedgerEntry.model_validate_json(text) for text in ledger.entries]
    assert [entry.number for entry in entries] == [0, 1, 2]
    assert [entry.key for entry in entries] == [noted(n).key for n in (1, 2, 3)]
    assert audited(ledger.archive) == ledger.entries
    head = open_checkpoint(second.note, verifier_keys(ledger.archive), where="")
    assert head.origin == f"order-archive/{ledger.archive.id}"
    assert head.root == merkle.tree_hash([merkle.leaf_hash(t.encode()) for t in ledger.entries])


def test_nothing_is_entered_twice(books: Books) -> None:
    ledger = books.ledger()
    ledger.append([noted(1), seen(1)])
    before = len(list(books.store.list_versions("")))
    checkpoint = books.ledger().append([noted(1), seen(1)])
    assert checkpoint == ledger.checkpoint()
    assert len(list(books.store.list_versions(""))) == before


def test_another_host_finds_the_same_ledger(books: Books) -> None:
    ours = books.ledger()
    for number in range(7):
        ours.append([noted(number)])
    theirs = books.ledger("elsewhere")
    assert (theirs.size, theirs.root, theirs.entries) == (7, ours.root, ours.entries)
    assert theirs.checkpoint() == ours.checkpoint()
    theirs.append([noted(7), noted(8)])
    ours.refresh()
    assert ours.entries == theirs.entries == audited(ours.archive)


def test_any_entry_and_any_earlier_checkpoint_is_shown_to_be_in_the_ledger(books: Books) -> None:
    ledger = books.ledger()
    for count in (3, 1, 5, 2):
        ledger.append([noted(ledger.size + number) for number in range(count)])
    again = books.ledger()
    leaves = [merkle.leaf_hash(text.encode()) for text in again.entries]
    roots = [merkle.tree_hash(leaves[:size]) for size in range(again.size + 1)]
    for size in range(1, again.size + 1):
        for number in range(size):
            path = again.inclusion(number, size)
            merkle.verify_inclusion(leaves[number], number, size, path, roots[size], where="")
        for old in range(size + 1):
            proof = again.consistency(old, size)
            merkle.verify_consistency(old, roots[old], size, roots[size], proof, where="")
        assert again.root_at(size) == roots[size]


def test_one_part_shows_what_is_in_it(books: Books) -> None:
    ledger = books.ledger()
    ledger.append([noted(number) for number in range(5)])
    ledger.append([noted(number) for number in range(5, 9)])
    place = ledger.part_with(6)
    assert (place.first, place.size) == (5, 9)
    entry = ledger.entry_of(noted(6).key)
    assert entry is not None
    assert (entry.number, ledger.entry_of(noted(20).key)) == (6, None)
    with pytest.raises(ValueError, match="entry 9"):
        ledger.part_with(9)


def test_a_host_that_knows_the_ledger_asks_little(books: Books) -> None:
    ledger = books.ledger()
    for number in range(30):
        ledger.append([noted(number)])
    store = Count(books.store)
    archive = books.archive(store=store)
    store.calls.clear()
    again = Ledger(archive)
    again.refresh()
    assert (again.size, again.checkpoint()) == (30, ledger.checkpoint())
    assert store.calls == {"list_versions": 2}
    again.append([noted(30)])
    assert store.calls["put"] == 2


def test_many_additions_elsewhere_are_read_at_once(books: Books) -> None:
    ours = books.ledger()
    ours.append([noted(0)])
    theirs = books.ledger("elsewhere")
    for number in range(1, 40):
        theirs.append([noted(number)])
    store = Count(books.store)
    archive = books.archive(store=store)
    store.calls.clear()
    again = Ledger(archive)
    again.refresh()
    assert again.entries == theirs.entries
    assert store.calls["list_versions"] <= 6
    assert store.calls["get"] == 39 + 1
