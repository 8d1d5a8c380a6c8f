"""Each checkpoint is stamped by each authority, in the end; what waits is not forgotten."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver import layout
from archiver.errors import Exit, TamperedError, TimestampLateError
from archiver.signed_documents import versions_of
from archiver.spreading import Circle, Spread, remembered, spread, stamps
from archiver.timestamps import Authority, read_trust
from tests.faults import FaultyStore
from tests.ledger.books import Books
from tests.servers.authority import TimeAuthority
from tests.servers.scripted import Reply

HOUR = timedelta(hours=1)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = Books.found(tmp_path)
    books.clock.instant = datetime.now(UTC) - 30 * HOUR
    books.ledger().append([books.noted(1)])
    return books


def tsa(server: TimeAuthority, name: str = "tsa") -> Authority:
    return Authority(name=name, url=server.url, trust=read_trust(server.ca))


def collected(books: Books, *authorities: Authority) -> Spread:
    ledger = books.ledger()
    return spread(ledger.archive, ledger, Circle(authorities=authorities))


def grow(books: Books, *numbers: int) -> None:
    for number in numbers:
        books.ledger().append([books.noted(number)])


def no_time(server: TimeAuthority) -> None:
    server.answer = lambda *_: Reply(503)


def time_again(server: TimeAuthority) -> None:
    server.answer = lambda _, query: server.stamp(query)


def test_a_checkpoint_is_stamped_once_by_each_authority(
    books: Books, time_authority: TimeAuthority
) -> None:
    books.clock.instant = datetime.now(UTC)
    both = (tsa(time_authority), tsa(time_authority, "second"))
    found = collected(books, *both)
    for _ in range(2):
        assert [(one.authority, one.size, one.waiting) for one in found.stamps] == [
            ("tsa", 1, 0),
            ("second", 1, 0),
        ]
        assert found.failures == []
        assert len(time_authority.requests) == 2
        found = collected(books, *both)
    for name in ("tsa", "second"):
        key = layout.timestamp_key(1, name)
        (version,) = versions_of(books.store, key)
        until = books.archive().evidence_until().replace(microsecond=0)
        assert books.store.head(key, version.version_id).retain_until == until
        note = books.store.get(layout.checkpoint_key(1))
        assert time_authority.holds(books.store.get(key), note)
    circle = Circle(authorities=both)
    assert remembered(books.archive(), circle, 1, books.clock.now()).stamps == found.stamps


def test_what_an_unreachable_authority_has_not_stamped_waits_and_a_day_of_it_is_an_alarm(
    books: Books, time_authority: TimeAuthority
) -> None:
    no_time(time_authority)
    began = books.clock.now()
    for hours, size in ((0, 1), (23, 2)):
        books.clock.instant = began + hours * HOUR
        grow(books, size)
        found = collected(books, tsa(time_authority))
        assert found.failures == []
        (waiting,) = found.stamps
        assert (waiting.size, waiting.waiting, waiting.behind_since) == (0, size, began)
        assert str(waiting.reason) == "HTTP 503"
    books.clock.instant = began + 24 * HOUR
    grow(books, 3)
    for failures in (
        collected(books, tsa(time_authority)).failures,
        remembered(
            books.archive(), Circle(authorities=[tsa(time_authority)]), 3, books.clock.now()
        ).failures,
    ):
        (late,) = failures
        assert isinstance(late, TimestampLateError)
        assert late.exit is Exit.TRY_LATER
        for language in ("en", "zh"):
            assert all(fact in late.text(language) for fact in ("tsa", "3", "HTTP 503"))
    time_again(time_authority)
    books.clock.instant = datetime.now(UTC)
    found = collected(books, tsa(time_authority))
    assert found.failures == []
    (done,) = found.stamps
    assert (done.size, done.waiting, done.reason) == (3, 0, None)
    for size in (1, 2, 3):
        token = books.store.get(layout.timestamp_key(size, "tsa"))
        assert time_authority.holds(token, books.store.get(layout.checkpoint_key(size)))


def test_a_long_outbox_is_worked_off_over_runs_the_newest_first(
    books: Books, time_authority: TimeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "A_RUN", 2)
    monkeypatch.setattr(stamps, "KEPT", 4)
    no_time(time_authority)
    for size in range(2, 7):
        collected(books, tsa(time_authority))
        grow(books, size)
    time_again(time_authority)
    books.clock.instant = datetime.now(UTC)
    for done, waiting in (([6, 5], 2), ([4, 3], 0)):
        assert collected(books, tsa(time_authority)).stamps[0].waiting == waiting
        for size in done:
            assert books.store.get(layout.timestamp_key(size, "tsa"))


def test_a_host_that_has_forgotten_finds_the_stamp_of_another(
    books: Books, time_authority: TimeAuthority
) -> None:
    books.clock.instant = datetime.now(UTC)
    collected(books, tsa(time_authority))
    for path in (books.place.folder / "index" / "witnesses").iterdir():
        path.unlink()
    found = collected(books, tsa(time_authority))
    assert found.failures == []
    assert found.stamps[0].size == 1
    assert len(list(versions_of(books.store, layout.timestamp_key(1, "tsa")))) == 1


@pytest.mark.parametrize("lost_reply", [False, True])
def test_whatever_call_of_the_store_fails_the_next_run_has_the_stamp(
    books: Books, time_authority: TimeAuthority, lost_reply: bool
) -> None:
    books.clock.instant = datetime.now(UTC)
    for fail_at in itertools.count():
        grow(books, 10 + fail_at)
        store = FaultyStore(books.store, lost_reply=lost_reply)
        faulty = books.ledger(store=store)
        store.calls, store.fail_at = 0, fail_at
        found = spread(faulty.archive, faulty, Circle(authorities=[tsa(time_authority)]))
        assert found.failures == []
        if store.calls <= fail_at:  # each call has failed once
            assert found.stamps[0].size == faulty.size
            break
        assert found.stamps[0].waiting == 1
        found = collected(books, tsa(time_authority))
        assert (found.stamps[0].size, found.stamps[0].waiting) == (faulty.size, 0)
        token = books.store.get(layout.timestamp_key(faulty.size, "tsa"))
        assert time_authority.holds(token, books.store.get(layout.checkpoint_key(faulty.size)))
    assert fail_at > 0


def test_a_disk_that_keeps_no_outbox_is_said(books: Books, time_authority: TimeAuthority) -> None:
    (books.place.folder / "index" / "witnesses").write_bytes(b"in the way")
    (failure,) = collected(books, tsa(time_authority)).failures
    assert failure.code == "local-disk"


def test_something_else_at_a_tokens_key_is_an_alarm_and_keeps_no_stamp_away(
    books: Books, time_authority: TimeAuthority
) -> None:
    books.clock.instant = datetime.now(UTC)
    key = layout.timestamp_key(1, "tsa")
    books.store.overwrite(key, b"junk")
    found = collected(books, tsa(time_authority))
    (failure,) = found.failures
    assert isinstance(failure, TamperedError)
    assert key in str(failure)
    assert (found.stamps[0].size, found.stamps[0].waiting) == (1, 0)
    keys = {one.key for one in books.store.list_versions(layout.TIMESTAMPS)} - {key}
    assert {layout.timestamp_place(one) for one in keys} == {(1, "tsa")}
    assert time_authority.holds(
        books.store.get(keys.pop()), books.store.get(layout.checkpoint_key(1))
    )
    assert collected(books, tsa(time_authority)).failures == []  # it was told
