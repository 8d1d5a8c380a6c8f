from datetime import timedelta
from io import BytesIO

import pytest

from archiver.errors import (
    AlreadyStoredError,
    LockedError,
    LockNotHonouredError,
    ObjectMissingError,
)
from archiver.ports import LockMode
from archiver.stores.memory import MemoryStore
from tests.clock import FrozenClock
from tests.store_contract import CONTENT, KEY, StoreContract, Subject


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def subject(store: MemoryStore, clock: FrozenClock) -> Subject:
    return Subject(
        store=store,
        mode=LockMode.COMPLIANCE,
        now=clock.now,
        let_pass=clock.advance,
        until=clock.now() + timedelta(hours=1),
    )


class TestMemoryStore(StoreContract):
    pass


def test_a_delete_marker_hides_a_version_and_reopens_its_key(
    store: MemoryStore, subject: Subject
) -> None:
    first = subject.put()

    marker = store.add_delete_marker(KEY)

    with pytest.raises(ObjectMissingError):
        store.get(KEY)
    with pytest.raises(ObjectMissingError):
        store.head(KEY, marker)
    assert store.get(KEY, first.version_id) == CONTENT
    second = subject.put(content=b"above")
    assert [
        (entry.version_id, entry.is_latest, entry.is_delete_marker)
        for entry in store.list_versions(KEY)
    ] == [
        (second.version_id, True, False),
        (marker, False, True),
        (first.version_id, False, False),
    ]


def test_a_delete_marker_can_be_removed(store: MemoryStore, subject: Subject) -> None:
    first = subject.put()
    marker = store.add_delete_marker(KEY)

    store.delete_version(KEY, marker)

    assert store.get(KEY) == CONTENT
    assert [entry.version_id for entry in store.list_versions("")] == [first.version_id]


def test_an_overwrite_shadows_a_version_and_leaves_it(store: MemoryStore, subject: Subject) -> None:
    first = subject.put()

    second = store.overwrite(KEY, b"forged")

    assert store.get(KEY) == b"forged"
    assert store.get(KEY, first.version_id) == CONTENT
    with pytest.raises(LockNotHonouredError):
        store.head(KEY, second)
    with pytest.raises(AlreadyStoredError):
        subject.put()
    with pytest.raises(LockedError):
        store.delete_version(KEY, first.version_id)
    store.delete_version(KEY, second)
    assert store.get(KEY) == CONTENT


def test_an_overwrite_may_be_locked(store: MemoryStore, subject: Subject) -> None:
    version_id = store.overwrite(KEY, b"forged", retain_until=subject.until)

    with pytest.raises(LockedError):
        store.delete_version(KEY, version_id)


def test_a_flipped_byte_changes_what_is_read_and_not_what_is_said(
    store: MemoryStore, subject: Subject
) -> None:
    stored = subject.put()

    store.flip_byte(KEY, stored.version_id, 3)

    assert store.head(KEY, stored.version_id) == stored
    changed = store.get(KEY)
    assert changed[3] == CONTENT[3] ^ 0xFF
    assert changed[:3] + changed[4:] == CONTENT[:3] + CONTENT[4:]


def test_a_lost_disk_loses_locked_versions_too(store: MemoryStore, subject: Subject) -> None:
    stored = subject.put()

    store.drop(KEY, stored.version_id)

    assert list(store.list_versions("")) == []


@pytest.mark.parametrize("missing", ["versioning", "object_lock"])
def test_a_bucket_that_cannot_lock_takes_nothing(clock: FrozenClock, missing: str) -> None:
    store = MemoryStore(clock=clock)
    setattr(store, missing, False)

    with pytest.raises(LockNotHonouredError):
        store.put(KEY, BytesIO(CONTENT), retain_until=clock.now() + timedelta(days=1))

    assert list(store.list_versions("")) == []
    assert not store.settings().worm


def test_the_store_may_have_another_time(clock: FrozenClock) -> None:
    store = MemoryStore(clock=clock, clock_ahead=timedelta(minutes=6))

    assert store.settings().server_time == clock.now() + timedelta(minutes=6)
