"""What every object store must do, whatever it is made of.

A test class inherits `StoreContract` and gives a fixture `subject`.
"""

# ruff: noqa: D102  A test's name is its sentence.

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO

import pytest

from archiver.errors import (
    AlreadyStoredError,
    LockedError,
    LockNotHonouredError,
    ObjectMissingError,
    RetentionRefusedError,
)
from archiver.ports import LockMode, ObjectStore, StoredObject

KEY = "orders/main/2026/03/05/0123456789abcdef.parquet"
CONTENT = bytes(range(256)) * 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An empty store under test, and its time."""

    store: ObjectStore
    mode: LockMode
    now: Callable[[], datetime]
    let_pass: Callable[[timedelta], None]
    """Returns when the store's clock has moved on by so much."""
    until: datetime
    """How long things are locked unless told otherwise: for an hour."""

    def soon(self, seconds: int) -> datetime:
        """Return the whole second so many seconds from now."""
        return (self.now() + timedelta(seconds=seconds)).replace(microsecond=0)

    def put(
        self, key: str = KEY, content: bytes = CONTENT, *, until: datetime | None = None
    ) -> StoredObject:
        """Store something."""
        return self.store.put(key, BytesIO(content), retain_until=until or self.until)

    def put_over(self, above: StoredObject, content: bytes) -> StoredObject:
        """Store something above another version of the key."""
        return self.store.put_over(
            KEY, BytesIO(content), above=above.version_id, retain_until=self.until
        )

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of a listing, in its order."""
        return [entry.key for entry in self.store.list_versions(prefix)]


class StoreContract:
    """The suite."""

    def test_what_is_put_comes_back_with_its_lock(self, subject: Subject) -> None:
        stored = subject.put()

        assert stored.key == KEY
        assert stored.size_bytes == len(CONTENT)
        assert stored.sha256 == sha256(CONTENT).hexdigest()
        assert stored.mode == subject.mode
        assert stored.retain_until == subject.until
        assert subject.store.head(KEY, stored.version_id) == stored
        assert subject.store.get(KEY, stored.version_id) == CONTENT
        assert subject.store.get(KEY) == CONTENT

    def test_the_same_bytes_again_give_what_is_stored(self, subject: Subject) -> None:
        first = subject.put()

        again = subject.put()

        assert again == first
        assert subject.keys("") == [KEY]

    def test_other_bytes_are_refused_and_nothing_is_changed(self, subject: Subject) -> None:
        first = subject.put()

        with pytest.raises(AlreadyStoredError):
            subject.put(content=CONTENT[:-1] + b"!")
        with pytest.raises(AlreadyStoredError):
            subject.put(content=b"shorter")

        assert subject.store.head(KEY, first.version_id) == first
        assert subject.store.get(KEY) == CONTENT
        assert subject.keys("") == [KEY]

    def test_above_a_version_of_others_one_writer_puts_his(self, subject: Subject) -> None:
        foreign = subject.put(content=b"foreign")

        ours = subject.put_over(foreign, CONTENT)
        with pytest.raises(AlreadyStoredError):
            subject.put_over(foreign, b"another writer's, who has looked at the same time")

        assert subject.put_over(foreign, CONTENT) == ours  # a reply was lost, and it is asked again
        assert (ours.mode, ours.retain_until) == (subject.mode, subject.until)
        assert subject.store.get(KEY, foreign.version_id) == b"foreign"
        assert [one.version_id for one in subject.store.list_versions(KEY)] == [
            ours.version_id,
            foreign.version_id,
        ]

    def test_nothing_is_put_above_what_is_not_there(self, subject: Subject) -> None:
        stored = subject.put("somewhere/else")
        with pytest.raises(ObjectMissingError):
            subject.put_over(stored, CONTENT)
        assert subject.keys(KEY) == []

    def test_a_lock_that_ends_earlier_than_asked_is_not_taken_for_it(
        self, subject: Subject
    ) -> None:
        first = subject.put()

        with pytest.raises(LockNotHonouredError):
            subject.put(until=subject.until + timedelta(seconds=1))

        assert subject.store.head(KEY, first.version_id) == first

    def test_a_lock_that_ends_later_than_asked_is_as_good(self, subject: Subject) -> None:
        first = subject.put()

        assert subject.put(until=subject.until - timedelta(seconds=1)) == first

    def test_a_lock_never_ends_earlier_than_a_fraction_of_a_second_asks(
        self, subject: Subject
    ) -> None:
        stored = subject.put(until=subject.until + timedelta(microseconds=1))

        assert stored.retain_until == subject.until + timedelta(seconds=1)

    def test_a_naive_date_is_refused(self, subject: Subject) -> None:
        with pytest.raises(ValueError, match="aware"):
            subject.put(until=subject.until.replace(tzinfo=None))

    def test_a_date_in_the_past_is_refused_and_nothing_is_stored(self, subject: Subject) -> None:
        with pytest.raises(RetentionRefusedError):
            subject.put(until=subject.soon(-3600))

        assert subject.keys("") == []

    def test_a_body_is_read_from_its_start(self, subject: Subject) -> None:
        body = BytesIO(CONTENT)
        body.seek(100)

        subject.store.put(KEY, body, retain_until=subject.until)

        assert subject.store.get(KEY) == CONTENT

    def test_an_empty_object_is_an_object(self, subject: Subject) -> None:
        stored = subject.put(content=b"")

        assert stored.size_bytes == 0
        assert subject.store.get(KEY) == b""
        assert subject.store.get(KEY, stored.version_id, start=0, length=10) == b""

    @pytest.mark.parametrize(
        ("start", "length"),
        [(0, 1), (5, 10), (5, None), (0, 0), (7, 0), (0, 10**6), (2303, 1), (2304, 1), (9999, 5)],
    )
    def test_a_range_is_a_slice(self, subject: Subject, start: int, length: int | None) -> None:
        stored = subject.put()

        content = subject.store.get(KEY, stored.version_id, start=start, length=length)

        assert content == CONTENT[start : None if length is None else start + length]

    def test_what_was_never_stored_is_missing(self, subject: Subject) -> None:
        for ask in (
            lambda: subject.store.get(KEY),
            lambda: subject.store.get(KEY, "20260305T040000000000Z-0123456789abcdef"),
            lambda: subject.store.head(KEY, "20260305T040000000000Z-0123456789abcdef"),
            lambda: subject.store.delete_version(KEY, "20260305T040000000000Z-0123456789abcdef"),
        ):
            with pytest.raises(ObjectMissingError):
                ask()

    def test_a_version_of_one_key_is_missing_under_another(self, subject: Subject) -> None:
        version_id = subject.put("one").version_id
        subject.put("other")

        for ask in (
            lambda: subject.store.get("other", version_id),
            lambda: subject.store.head("other", version_id),
            lambda: subject.store.delete_version("other", version_id),
        ):
            with pytest.raises(ObjectMissingError):
                ask()

    def test_a_listing_shows_what_is_below_the_prefix_in_byte_order(self, subject: Subject) -> None:
        # None is both an object and a folder: our layout has none, SeaweedFS takes none.
        for key in ("a/b/d", "a-b", "a/b/c", "a/B", "ab", "a/ba", "b", "中/文"):
            subject.put(key, key.encode())

        assert subject.keys("") == ["a-b", "a/B", "a/b/c", "a/b/d", "a/ba", "ab", "b", "中/文"]
        assert subject.keys("a/") == ["a/B", "a/b/c", "a/b/d", "a/ba"]
        assert subject.keys("a/b") == ["a/b/c", "a/b/d", "a/ba"]
        assert subject.keys("a/b/") == ["a/b/c", "a/b/d"]
        assert subject.keys("中") == ["中/文"]
        assert subject.keys("nothing/here") == []

    def test_a_listing_describes_each_version(self, subject: Subject) -> None:
        stored = subject.put()

        (entry,) = subject.store.list_versions("orders/")

        assert (entry.key, entry.version_id) == (KEY, stored.version_id)
        assert entry.is_latest
        assert not entry.is_delete_marker
        assert entry.size_bytes == len(CONTENT)
        assert abs(entry.written_at - subject.now()) < timedelta(minutes=1)

    def test_a_locked_version_cannot_be_deleted(self, subject: Subject) -> None:
        stored = subject.put()

        with pytest.raises(LockedError):
            subject.store.delete_version(KEY, stored.version_id)

        assert subject.store.get(KEY, stored.version_id) == CONTENT

    def test_a_version_can_be_deleted_once_its_lock_has_ended(self, subject: Subject) -> None:
        first = subject.put(until=subject.soon(3))
        subject.let_pass(timedelta(seconds=4))

        subject.store.delete_version(KEY, first.version_id)

        assert subject.keys("") == []
        with pytest.raises(ObjectMissingError):
            subject.store.get(KEY, first.version_id)
        with pytest.raises(ObjectMissingError):
            subject.store.delete_version(KEY, first.version_id)
        second = subject.put(content=b"the key is free again")
        assert second.version_id != first.version_id

    @pytest.mark.parametrize(
        "key",
        [
            *("", "/", "/etc/passwd", "a/", "a//b", "../up", "a/../../up", ".", "a/.", ".drafts/x"),
            *("a\\b", "a\0b", "a\nb", "a\u202eb", "\ud800", "x" * 201, "x/" * 500 + "x"),
        ],
    )
    def test_a_key_that_some_store_could_not_hold_is_refused(
        self, subject: Subject, key: str
    ) -> None:
        for ask in (
            lambda: subject.put(key),
            lambda: subject.store.get(key),
            lambda: subject.store.head(key, "v"),
            lambda: subject.store.delete_version(key, "v"),
        ):
            with pytest.raises(ValueError, match="not a key"):
                ask()

    @pytest.mark.parametrize("key", ["主站/订单.parquet", "a b/c+d=e&f?g#h%20.json", "x" * 200])
    def test_a_key_may_hold_what_people_call_their_shops(self, subject: Subject, key: str) -> None:
        stored = subject.put(key)

        assert subject.store.head(key, stored.version_id) == stored
        assert subject.keys("") == [key]

    def test_of_racing_writers_one_wins_and_the_others_hear_it(self, subject: Subject) -> None:
        def write(number: int) -> StoredObject | None:
            try:
                return subject.put(content=b"writer %d" % number)
            except AlreadyStoredError:
                return None

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(write, range(8)))

        (winner,) = [number for number, stored in enumerate(outcomes) if stored]
        assert subject.store.get(KEY) == b"writer %d" % winner
        assert subject.keys("") == [KEY]

    def test_racing_writers_of_the_same_bytes_share_one_version(self, subject: Subject) -> None:
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda _: subject.put(), range(8)))

        assert len(set(outcomes)) == 1
        assert subject.keys("") == [KEY]

    def test_many_keys_can_be_written_at_once(self, subject: Subject) -> None:
        keys = [f"segments/main/2026/03/05/{number:04d}" for number in range(60)]
        with ThreadPoolExecutor(8) as pool:
            stored = list(pool.map(lambda key: subject.put(key, key.encode()), keys))

        assert [entry.key for entry in stored] == keys
        assert subject.keys("segments/") == keys
        assert subject.store.get(keys[17]) == keys[17].encode()

    def test_settings_promise_only_what_the_lock_mode_says(self, subject: Subject) -> None:
        settings = subject.store.settings()

        assert settings.versioning
        assert settings.worm == settings.object_lock == (subject.mode == LockMode.COMPLIANCE)
        if settings.server_time is not None:
            assert abs(settings.server_time - subject.now()) < timedelta(minutes=1)
