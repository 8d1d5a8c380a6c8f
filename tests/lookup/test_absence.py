from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from archiver.lookup.absence import Coverage, absence, coverage_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


def march(day: int) -> date:
    return date(2026, 3, day)


def midnight(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=SHANGHAI)


def covered(*days: int, last_closed: int = 9) -> Coverage:
    return coverage_of(
        {"main": [(march(day), march(day)) for day in days]},
        manifest=len(days),
        last_closed=march(last_closed),
    )


def why(
    coverage: Coverage,
    first: int | None = None,
    last: int | None = None,
    *,
    disposed: bool = False,
    source: str | None = None,
) -> tuple[str, list[int]]:
    answer, days = absence(
        coverage,
        disposed=disposed,
        source=source,
        start=midnight(first) if first else None,
        end=midnight(last) + timedelta(days=1) if last else None,
        zone=SHANGHAI,
    )
    return answer, [day.day for day in days]


def test_where_every_closed_day_is_sealed_it_was_never_archived() -> None:
    assert why(covered(*range(1, 10))) == ("never_archived", [])


def test_a_missing_day_in_between_could_change_the_answer() -> None:
    assert why(covered(1, 2, 4, 5, 6, 7, 8, 9)) == ("not_yet_archived", [3])


def test_a_closed_day_behind_the_last_sealed_one_could_change_it() -> None:
    assert why(covered(*range(1, 8))) == ("not_yet_archived", [8, 9])


def test_only_days_that_were_asked_about_count() -> None:
    gap = covered(1, 2, 4, 5, 6, 7, 8, 9)
    assert why(gap, 4, 6) == ("never_archived", [])
    assert why(gap, 2, 3) == ("not_yet_archived", [3])
    assert why(gap, 4) == ("never_archived", [])
    assert why(gap, None, 3) == ("not_yet_archived", [3])


def test_an_open_day_that_was_named_is_not_archived_yet() -> None:
    assert why(covered(*range(1, 10)), 10, 10) == ("not_yet_archived", [10])
    assert why(covered(*range(1, 10)), 8, 10) == ("not_yet_archived", [10])


def test_a_range_in_the_far_future_is_told_by_its_first_days() -> None:
    answer, days = absence(
        covered(*range(1, 10)),
        disposed=False,
        source=None,
        start=datetime(2031, 1, 1, tzinfo=SHANGHAI),
        end=datetime(2039, 1, 1, tzinfo=SHANGHAI),
        zone=SHANGHAI,
    )
    assert answer == "not_yet_archived"
    assert 1 <= len(days) <= 2


def test_days_before_the_first_sealed_one_were_never_archived() -> None:
    assert why(covered(*range(5, 10)), 1, 3) == ("never_archived", [])


def test_an_archive_without_a_night_says_nothing_is_archived_yet() -> None:
    assert why(coverage_of({}, manifest=0, last_closed=march(9)))[0] == ("not_yet_archived")


def test_what_was_disposed_of_is_told_so() -> None:
    assert why(covered(*range(1, 10)), disposed=True)[0] == "disposed"


def test_a_gap_of_another_source_changes_nothing() -> None:
    both = coverage_of(
        {
            "main": [(march(1), march(9))],
            "other": [(march(1), march(1)), (march(9), march(9))],
        },
        manifest=11,
        last_closed=march(9),
    )
    assert why(both, source="main") == ("never_archived", [])
    assert why(both)[0] == "not_yet_archived"


def test_an_index_behind_the_store_knows_no_never() -> None:
    stale = coverage_of(
        {"main": [(march(1), march(9))]}, manifest=9, last_closed=march(9), stale=True
    )
    assert why(stale) == ("not_yet_archived", [])


def test_archived_as_of_is_the_day_up_to_which_every_source_is() -> None:
    both = coverage_of(
        {"main": [(march(1), march(9))], "other": [(march(2), march(7))]},
        manifest=11,
        last_closed=march(9),
    )
    assert both.as_of == march(7)
    assert coverage_of({}, manifest=0, last_closed=march(9)).as_of is None
