"""A store that contradicts what was seen is an alarm, and nothing is added to it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import roots
from archiver.archive import Archive
from archiver.errors import Exit, RollbackError
from archiver.ledger import Ledger, origin
from archiver.signed_note import Checkpoint, VerifierKey, open_checkpoint, sign_note
from schemas import documents
from tests.ledger.books import Books


def drop_last(books: Books) -> None:
    books.drop("ledger/00000002.json")
    books.drop("checkpoints/4")


def drop_first(books: Books) -> None:
    books.drop("ledger/00000000.json")


def drop_all(books: Books) -> None:
    for key in ("ledger/00000000.json", "ledger/00000002.json", "checkpoints/2", "checkpoints/4"):
        books.drop(key)


def swap_last(books: Books) -> None:
    """Somebody who has the signing key, or an archive set back, goes another way."""
    other = books.copy(books.place.folder / "other")
    drop_last(other)
    other.enter(8, 9, host="other host")
    books.store._versions["ledger/00000002.json"] = other.store._versions["ledger/00000002.json"]


def rewrite(books: Books) -> None:
    other = books.copy(books.place.folder / "other")
    drop_all(other)
    other.enter(7, host="other host")
    other.enter(8, 9, 10, host="other host")
    books.store._versions = other.store._versions


CONTRADICTIONS = [drop_last, drop_all, swap_last, rewrite]


@pytest.mark.parametrize("happens", CONTRADICTIONS)
def test_a_host_that_has_seen_more_or_something_else_raises_the_alarm(
    books: Books, happens: Callable[[Books], None]
) -> None:
    books.enter(1, 2)
    seen = books.enter(3, 4)
    happens(books)
    before = len(list(books.store.list_versions("")))
    for act in (books.ledger, lambda: Ledger(books.archive()).append([])):
        with pytest.raises(RollbackError, match=r"ledger/00000002\.json") as caught:
            act()
        assert (caught.value.exit, caught.value.code) == (Exit.ALARM, "rollback")
        assert "与此前所见相矛盾" in caught.value.text("zh")
    assert len(list(books.store.list_versions(""))) == before
    kept = Ledger(books.archive())
    kept.recall()
    assert (kept.size, kept.root) == (4, seen.root)


@pytest.mark.parametrize("damage", ["no parts", "half a line", "other parts"])
@pytest.mark.parametrize("happens", [None, *CONTRADICTIONS])
def test_a_damaged_local_copy_is_read_anew_and_still_remembers(
    books: Books, damage: str, happens: Callable[[Books], None] | None
) -> None:
    books.enter(1, 2)
    seen = books.enter(3, 4)
    path = books.place.folder / "index/ledger/parts.jsonl"
    if damage == "no parts":
        path.unlink()
    elif damage == "half a line":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_bytes(path.read_bytes().replace(b"documents/0001", b"documents/0009"))
    if happens is None:
        assert books.ledger().entries == seen.entries
        assert books.enter(5).size == 5
        assert books.audited() == [1, 2, 3, 4, 5]
        return
    happens(books)
    for _ in range(2):  # it does not forget by having told it
        with pytest.raises(RollbackError):
            _ = books.ledger().entries


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"archive": "', b"\xff"])
def test_a_head_that_cannot_be_read_is_read_from_the_store(books: Books, content: bytes) -> None:
    books.enter(1, 2)
    seen = books.enter(3)
    path = books.place.folder / "index/ledger/head.json"
    path.write_bytes(content)
    assert books.ledger().entries == seen.entries
    path.write_bytes(content)
    books.enter(4)
    assert books.audited() == [1, 2, 3, 4]


def test_a_head_that_was_edited_does_not_count(books: Books) -> None:
    books.enter(1, 2)
    seen = books.enter(3)
    path = books.place.folder / "index/ledger/head.json"
    fields = json.loads(path.read_bytes())
    other = Books.copy(books, books.place.folder / "other")
    fields["last"]["entries"] = other.enter(4, host="x").parts()[-1].entries
    path.write_text(json.dumps(fields))
    assert books.ledger().root == seen.root


def test_a_host_that_knows_nothing_notices_a_part_that_is_missing(books: Books) -> None:
    books.enter(1, 2)
    books.enter(3, 4)
    drop_first(books)
    with pytest.raises(RollbackError, match=r"ledger/00000000\.json is missing"):
        books.ledger("elsewhere")


def test_a_checkpoint_over_other_entries_is_an_alarm(books: Books) -> None:
    ledger = books.enter(1)
    keys = ledger.archive.night_keys()
    head = Checkpoint(origin=origin(ledger.archive.id), size=1, root=bytes(32))
    books.drop("checkpoints/1")
    books.store.overwrite("checkpoints/1", sign_note(head.text, head.origin, keys.signer))
    with pytest.raises(RollbackError, match="signed over other entries"):
        books.ledger("elsewhere")
    # Whoever has seen the right one goes on.
    assert books.ledger().checkpoint() == ledger.checkpoint()


def test_a_replaced_bucket_with_the_same_bytes_is_the_same_ledger(books: Books) -> None:
    ledger = books.enter(1, 2)
    for key in ("ledger/00000000.json", "checkpoints/2"):
        (version,) = books.store._versions[key]
        version.version_id = f"another {version.version_id}"
    assert books.ledger().root == ledger.root
    books.enter(3)
    assert books.audited() == [1, 2, 3]


# --- signers change ------------------------------------------------------------------------------


def test_a_new_signer_continues_the_ledger(books: Books) -> None:
    books.enter(1)
    old = books.archive()
    new = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")
    successor = certified(books, old, new)
    ledger = Ledger(successor)
    ledger.refresh()
    ledger.append([books.noted(2)])
    assert books.audited() == [1, 2]
    # Both read it, and the old one goes on where it may.
    assert books.ledger("elsewhere").checkpoint() == ledger.checkpoint()
    books.enter(3)
    assert books.audited() == [1, 2, 3]


def test_a_checkpoint_that_the_old_signer_left_unsigned_is_signed_by_the_new_one(
    books: Books,
) -> None:
    books.enter(1)
    books.drop("checkpoints/1")
    new = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")
    successor = certified(books, books.archive("new host"), new)
    checkpoint = Ledger(successor).append([])
    assert checkpoint is not None
    public = new.public_key().public_bytes_raw()
    ours = VerifierKey(name=origin(successor.id), public_key=public)
    assert open_checkpoint(checkpoint.note, [ours], where="").size == 1
    assert books.audited() == [1]
    assert books.ledger("elsewhere").checkpoint() == checkpoint


def certified(books: Books, archive: Archive, key: Ed25519PrivateKey) -> Archive:
    """Certify another signer, and open the archive with it."""
    from archiver import dsse

    signer = documents.Signer(
        archive=archive.id,
        number=2,
        public_key=key.public_key().public_bytes_raw().hex(),
        created_at=books.clock.now(),
    )
    secret = roots.read_secret_file(books.place.keys.identity, "identity", archive.id)
    identity = Ed25519PrivateKey.from_private_bytes(secret)
    envelope = dsse.sign(signer.model_dump_json().encode(), "signer", "identity", identity)
    books.store.overwrite("signers/0002.json", envelope, retain_until=archive.evidence_until())
    opened = books.archive(archive.memory.name if archive.memory else "index")
    assert opened.keys is not None
    return replace(opened, keys=replace(opened.keys, signer_number=2, signer=key))


def test_the_copies_of_two_archives_are_kept_apart(books: Books, tmp_path: Path) -> None:
    books.enter(1, 2)
    other = Books.found(tmp_path / "other")
    archive = replace(other.archive(), memory=books.place.folder / "index")
    ledger = Ledger(archive)
    ledger.refresh()
    assert ledger.size == 0
