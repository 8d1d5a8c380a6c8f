"""Every byte is read again within 30 days, whatever nights are missed; what was done is kept."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import StoreError
from archiver.stores.memory import MemoryStore
from archiver.verification import verifying
from archiver.verification.coverage import TURNS, Coverage, Reading, Seen, is_small, turn_of
from archiver.verification.journal import Journal, name_of
from archiver.verification.verifying import Verification
from tests.verification.grounds import codes, ground_of, verified
from tests.verification.sites import sealed

ARCHIVE = "a" * 32
TODAY = date(2026, 3, 5)
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


def reading(at: datetime = NOW) -> Reading:
    """Return a reading of nothing much."""
    return Reading(at=at, objects=1, size_bytes=2, opened=True)


@given(st.lists(st.integers(1, 40), min_size=10, max_size=20))
def test_each_turn_is_read_within_thirty_days_however_nights_are_missed(gaps: list[int]) -> None:
    coverage, today = Coverage(archive=ARCHIVE, begun=TODAY), TODAY
    last = dict.fromkeys(range(TURNS), today)
    for gap in gaps:
        for turn in coverage.turns_due(today):
            last[turn] = today
        # Read today is whatever should have been read since the last verification.
        assert all((today - at).days < TURNS for at in last.values())
        coverage = coverage.after(today, {}, None, full=False)
        today += timedelta(days=gap)


def test_objects_are_spread_evenly_over_turns() -> None:
    counted = Counter(turn_of(f"orders/main/{number:032x}.parquet") for number in range(30_000))
    assert set(counted) == set(range(TURNS))
    assert max(counted.values()) < 1_200


def test_the_record_is_what_was_written_and_of_no_other_archive(tmp_path: Path) -> None:
    made = Coverage(archive=ARCHIVE, begun=TODAY).after(
        TODAY, {3: reading(), 7: reading()}, Seen(manifest=4, head="ab" * 32), full=True
    )
    made.save(tmp_path)
    assert Coverage.load(tmp_path, ARCHIVE, TODAY) == made
    assert Coverage.load(tmp_path, "b" * 32, TODAY).turns == {}
    assert made.last_full == NOW


def test_a_record_that_was_cut_is_begun_anew(tmp_path: Path) -> None:
    Coverage(archive=ARCHIVE, begun=date(2020, 1, 1)).save(tmp_path)
    path = tmp_path / "verification" / "coverage.json"
    path.write_bytes(path.read_bytes()[:40])
    assert Coverage.load(tmp_path, ARCHIVE, TODAY).begun == TODAY


def test_small_archives_are_read_whole() -> None:
    assert is_small([1000] * 2_000)
    assert not is_small([1] * 2_001)
    assert not is_small([65 << 20])


# --- going on -----------------------------------------------------------------------------------


def test_a_journal_is_gone_on_with_and_a_cut_line_is_none(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, ARCHIVE, NOW, opened=True)
    names = [name_of(f"k{n}", "v", "s") for n in range(3)]
    journal.note((name, 10) for name in names)
    journal.close()
    path = tmp_path / "verification" / "full.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = Journal.open(tmp_path, ARCHIVE, NOW + timedelta(days=1), opened=True)
    assert set(again.done) == set(names[:2])
    again.finish()
    assert not path.exists()


@pytest.mark.parametrize(
    ("archive", "later", "opened"),
    [("b" * 32, 0, True), (ARCHIVE, 8, True), (ARCHIVE, 0, False), (ARCHIVE, -1, True)],
)
def test_a_journal_of_another_archive_time_or_depth_is_begun_anew(
    tmp_path: Path, archive: str, later: int, *, opened: bool
) -> None:
    journal = Journal.open(tmp_path, ARCHIVE, NOW, opened=True)
    journal.note([("ab", 1)])
    journal.close()
    now = NOW + timedelta(days=later)
    another = Journal.open(tmp_path, archive, now, opened=opened)
    another.close()
    assert another.done == {}


def test_an_interrupted_verification_of_everything_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.verification.working.CHUNK_OBJECTS", 2)
    desk = sealed(tmp_path)
    ground = ground_of(desk)
    calls = 0

    def failing(tasks: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StoreError(key="x", detail="gone away")
        return ground.work(tasks)  # type: ignore[arg-type]

    dying = ground_of(desk, work=failing)
    with pytest.raises(StoreError):
        Verification(dying, full=True).run()
    seen = verified(desk)
    assert seen.alarms == []
    assert seen.resumed == 4
    assert seen.objects_read == seen.objects - 4
    assert verified(desk).resumed == 0


def test_a_large_archive_is_read_in_parts_that_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = sealed(tmp_path)
    monkeypatch.setattr(verifying, "is_small", lambda _sizes: False)
    read = objects = 0
    coverage = Coverage(archive=ARCHIVE, begun=TODAY)
    for _ in range(TURNS):
        desk.place.keep_proven(desk.open())
        seen = verified(desk, full=False)
        assert seen.alarms == []
        assert not seen.full
        read, objects = read + seen.objects_read, seen.objects
        desk.clock.advance(timedelta(days=1))
        coverage = seen.coverage
    assert read == objects
    assert len(coverage.turns) == TURNS
    desk.clock.advance(timedelta(days=40))
    desk.place.keep_proven(desk.open())
    assert verified(desk, full=False).objects_read == objects


@pytest.mark.parametrize("prefix", ["ledger/0", "checkpoints/"])
def test_of_a_large_archive_what_lies_over_an_old_part_of_the_ledger_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    desk = sealed(tmp_path)
    assert isinstance(desk.store, MemoryStore)
    monkeypatch.setattr(verifying, "is_small", lambda _sizes: False)
    assert verified(desk, full=False).alarms == []
    key = next(one.key for one in desk.store.list_versions(prefix))
    desk.store.overwrite(key, b"{}", retain_until=desk.open().evidence_until())
    seen = verified(desk, full=False)
    assert not seen.full
    assert "shadowed" in codes(seen.alarms)
    assert {one.key for one in seen.alarms} == {key}
