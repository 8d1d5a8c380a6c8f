import contextlib
import io
import multiprocessing
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.errors import (
    AlreadyStoredError,
    Exit,
    ObjectMissingError,
    StoreError,
)
from archiver.ports import LockMode
from archiver.stores import directory
from archiver.stores.directory import DirectoryStore
from archiver.stores.durable_files import exclusive
from tests.clock import NOON, FrozenClock
from tests.store_contract import CONTENT, KEY, StoreContract, Subject

LATER = NOON.replace(year=2029)
FORK = multiprocessing.get_context("fork")  # a new interpreter for each death takes too long


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def store(root: Path, clock: FrozenClock) -> DirectoryStore:
    return DirectoryStore(root, clock)


@pytest.fixture
def subject(store: DirectoryStore, clock: FrozenClock) -> Subject:
    return Subject(
        store=store,
        mode=LockMode.ADVISORY,
        now=clock.now,
        let_pass=clock.advance,
        until=clock.now() + timedelta(hours=1),
    )


class TestDirectoryStore(StoreContract):
    pass


def version_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*_*_*") if path.is_file()]


def drafts(root: Path) -> list[str]:
    return [path.name for path in (root / ".drafts").iterdir()]


def test_a_version_is_a_plain_read_only_file_whose_name_tells_all(
    root: Path, subject: Subject
) -> None:
    stored = subject.put()

    (path,) = version_files(root)

    assert path.parent == root / KEY
    assert path.name == f"{stored.version_id}_20260305T050000Z_{stored.sha256}"
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_put_leaves_no_draft(root: Path, subject: Subject) -> None:
    subject.put()
    with contextlib.suppress(AlreadyStoredError):
        subject.put(content=b"other")

    assert drafts(root) == []


def test_asking_makes_no_store(root: Path, store: DirectoryStore) -> None:
    with pytest.raises(ObjectMissingError):
        store.get(KEY)
    with pytest.raises(ObjectMissingError):
        store.delete_version(KEY, "v")
    assert list(store.list_versions("")) == []
    assert store.settings().description == f"dir:{root}"

    assert not root.exists()


def test_the_last_deletion_removes_the_empty_folders(root: Path, subject: Subject) -> None:
    version_id = subject.put(until=subject.soon(1)).version_id
    subject.put("orders/main/2026/04/01/other")
    subject.let_pass(subject.soon(2) - subject.now())

    subject.store.delete_version(KEY, version_id)

    assert sorted(path.name for path in (root / "orders/main/2026").iterdir()) == ["04"]


def test_several_versions_are_listed_newest_first(root: Path, subject: Subject) -> None:
    old = subject.put()
    (path,) = version_files(root)
    new_id = "20270101T000000000000Z-0123456789abcdef"
    path.with_name(path.name.replace(old.version_id, new_id)).write_bytes(b"put there by root")

    entries = list(subject.store.list_versions(""))

    assert [(entry.version_id, entry.is_latest) for entry in entries] == [
        (new_id, True),
        (old.version_id, False),
    ]
    assert subject.store.get(KEY) == b"put there by root"
    assert subject.store.get(KEY, old.version_id) == CONTENT


def test_a_key_may_be_a_folder_of_others(subject: Subject) -> None:
    for key in ("a/b", "a", "a-b", "a/b/c"):
        subject.put(key, key.encode())

    assert subject.keys("") == ["a", "a-b", "a/b", "a/b/c"]
    assert subject.keys("a/b") == ["a/b", "a/b/c"]
    assert subject.store.get("a") == b"a"


def test_what_is_not_a_version_is_ignored(root: Path, subject: Subject) -> None:
    stored = subject.put()
    (path,) = version_files(root)
    (path.parent / "notes.txt").write_text("by a person")
    (path.parent / "99999999T999999999999Z-0123456789abcdef_99999999T999999Z_").touch()
    wrong_date = path.name.replace("20260305T050000Z", "20269999T050000Z")
    (path.parent / wrong_date).touch()
    (root / "file").touch()

    assert [entry.version_id for entry in subject.store.list_versions("")] == [stored.version_id]
    assert list(subject.store.list_versions("file/")) == []


def test_the_bytes_decide_whether_a_put_is_the_same_and_not_the_name(
    root: Path, subject: Subject
) -> None:
    subject.put()
    (path,) = version_files(root)
    path.chmod(0o644)
    path.write_bytes(b"changed by root")

    with pytest.raises(AlreadyStoredError):
        subject.put()
    assert subject.store.head(KEY, path.name.split("_")[0]).size_bytes == len(b"changed by root")


def test_a_listing_looks_at_no_unrelated_folder(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(1, 29):
        subject.put(f"orders/main/2026/02/{day:02d}/x")
    seen: list[str] = []
    scandir = os.scandir

    def watched(path: str) -> object:
        seen.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)

    assert subject.keys("orders/main/2026/02/07/") == ["orders/main/2026/02/07/x"]
    assert len(seen) < 8


def test_a_process_that_stands_still_with_the_lock_does_not_stop_the_others_for_ever(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PATIENCE", timedelta(milliseconds=20))
    store = DirectoryStore(tmp_path, clock)
    until = clock.now() + timedelta(days=1)
    store.put("a", io.BytesIO(b"a"), retain_until=until)
    with exclusive(tmp_path / ".lock", timedelta(0)):
        with pytest.raises(StoreError, match="stands still") as caught:
            store.put("b", io.BytesIO(b"b"), retain_until=until)
        assert store.get("a") == b"a"
    assert caught.value.exit is Exit.TRY_LATER
    store.put("b", io.BytesIO(b"b"), retain_until=until)


def test_a_version_that_was_read_before_is_read_from_where_it_lies_now(
    store: DirectoryStore, root: Path, clock: FrozenClock, tmp_path: Path
) -> None:
    stored = store.put(KEY, io.BytesIO(CONTENT), retain_until=LATER)
    assert store.get(KEY, stored.version_id, start=2, length=3) == CONTENT[2:5]
    (path,) = version_files(root)
    path.rename(tmp_path / "aside")
    with pytest.raises(ObjectMissingError):
        store.get(KEY, stored.version_id)

    (tmp_path / "aside").rename(path.with_name(path.name.replace("20290305", "20290306")))
    assert store.get(KEY, stored.version_id) == CONTENT
    assert store.get(KEY, stored.version_id, start=len(CONTENT) + 9) == b""
    clock.instant = LATER.replace(year=2030)
    store.delete_version(KEY, stored.version_id)
    with pytest.raises(ObjectMissingError):
        store.get(KEY, stored.version_id)
