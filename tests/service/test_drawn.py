"""What pages are made of, before it is drawn."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ArchiverError
from archiver.lookup.diagnosis import diagnose
from archiver.lookup.shown import instant, shown
from archiver.lookup.timeline import timeline
from archiver.policy import Role
from archiver.refusals import ApprovalNeededError
from archiver.service.jobs import ExportsBusyError, Job, Jobs, Make
from archiver.service.pages.assurance import coverage_tile, witnesses_block
from archiver.service.pages.dossier import Dossier, dossier
from archiver.service.pages.framing import own_path, worded
from archiver.service.pages.heat import heat, spans
from archiver.service.pages.references import StaleLinkError, seal, unseal
from archiver.service.pages.shapes import amount, at, duration, size
from archiver.service.pages.words import Words
from archiver.spreading import Holding, Spread, Stamps
from archiver.status import SealedDay, SourceStatus
from archiver.verification.coverage import Coverage, Reading
from tests.clock import FrozenClock
from tests.lookup.orders import NOON, a_card, an_order

SHANGHAI = ZoneInfo("Asia/Shanghai")
ZH, EN = Words("zh"), Words("en")


def drawn(words: Words = ZH, **changes: object) -> Dossier:
    order = an_order(**changes)
    stages = [
        {"stage": s.name, "at": instant(s.at) if s.at else None, "approximate": s.approximate}
        for s in timeline(order)
    ]
    history = [
        {"revision": n, "manifest": n, "day": "2026-03-04", "completed_at": None} for n in (1, 2)
    ]
    seen = shown(order, Role.COMPLIANCE) | {
        "timeline": stages,
        "history": history,
        "sealed": {"manifest": 1, "day": "2026-03-04"},
    }
    return dossier(seen, diagnose(order), words, SHANGHAI, lambda n: f"/order?{n}")


def test_an_instant_is_of_the_archives_zone_and_an_amount_has_its_thousands_apart() -> None:
    told = at("2026-03-04T18:30:05Z", SHANGHAI)
    assert told is not None
    assert (told.day, told.second) == ("2026-03-05", "02:30:05")
    assert at(None, SHANGHAI) is None
    money = amount("1234567.5", "CNY")
    assert money is not None
    assert (money.text, money.currency) == ("1,234,567.50", "CNY")


@pytest.mark.parametrize(
    ("length", "zh", "en"),
    [
        (timedelta(seconds=5), "5 秒", "5 s"),
        (timedelta(minutes=3, seconds=7), "3 分 7 秒", "3 min 7 s"),
        (timedelta(hours=25), "1 天 1 小时", "1 d 1 h"),
    ],
)
def test_a_length_of_time_has_two_units(length: timedelta, zh: str, en: str) -> None:
    assert (duration(length, ZH), duration(length, EN)) == (zh, en)


def test_a_size_is_told_in_its_largest_unit() -> None:
    assert [size(n) for n in (0, 999, 1_500, 2_500_000)] == ["0 B", "999 B", "1.5 kB", "2.5 MB"]


def test_a_stage_without_a_time_stays_hollow_and_the_time_between_the_others_is_told() -> None:
    made = drawn(delivered_at=None)
    assert [mark.kind for mark in made.timeline] == [
        *("known ahead", "unknown", "known ahead", "unknown", "known"),
    ]
    assert [mark.took for mark in made.timeline] == ["1 分 0 秒", "", "1 分 0 秒", "", ""]
    assert drawn(outcome="open", completed_at=None).timeline[-1].kind == "unknown unfinished"


def test_a_dossier_leaves_out_what_is_not_known_and_deductions_of_nothing() -> None:
    money = an_order()["money"] | {"discount": Decimal("0.00"), "coupon_discount": Decimal("1.00")}
    made = drawn(EN, money=money, deliveries=[a_card(), a_card(placeholder=True)])
    labels = [one.label for one in made.money]
    assert labels == ["Quantity", "Total", "Coupon discount", "Paid"]
    assert [cell.label for cell in made.deliveries.heads] == [
        *("Kind", "Card secret", "Apology, no goods"),
    ]
    assert [row[1].text for row in made.deliveries.rows] == ["•••1-A", ""]
    assert made.events.rows == []


def test_an_old_revision_says_that_it_is_one() -> None:
    assert drawn().superseded
    assert not drawn(revision=2).superseded
    assert [one.here for one in drawn(revision=2).revisions] == [False, True]


# --- the calendar -------------------------------------------------------------------------------


def test_a_calendar_has_a_row_for_each_month_and_darker_days_where_more_was_sealed() -> None:
    sealed = {
        date(2026, 2, 27): SealedDay(orders=0),
        date(2026, 2, 28): SealedDay(orders=10),
        date(2026, 3, 2): SealedDay(orders=1_000),
    }
    one = SourceStatus(source="main", sealed=sealed, missing=[date(2026, 3, 1)])
    made = heat(one, date(2026, 3, 2), EN)
    assert made is not None
    march, february = made.months
    assert (march.name, february.name, february.orders) == ("2026-03", "2026-02", "10")
    assert [cell.kind for cell in march.cells[:4]] == ["gap", "h4", "now", ""]
    assert [cell.kind for cell in february.cells[26:]] == ["h0", "h1", "", "", ""]
    assert march.cells[0].said == "2026-03-01: missing"
    assert heat(SourceStatus(source="x", sealed={}, missing=[]), date(2026, 3, 2), EN) is None


@given(st.sets(st.dates(date(2026, 1, 1), date(2026, 3, 1)), max_size=20))
def test_stretches_of_days_name_every_day_and_no_other(days: set[date]) -> None:
    named: set[date] = set()
    for text in spans(sorted(days)):
        first, _, last = text.partition(" – ")
        begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
        named |= {begin + timedelta(days=n) for n in range((end - begin).days + 1)}
    assert named == days


def test_what_was_read_again_is_told_with_how_late_it_is() -> None:
    coverage = Coverage(archive="a", begun=date(2026, 3, 1))
    assert coverage_tile(coverage, EN, NOON)["value"] == "never"
    reading = Reading(at=NOON, objects=1, size_bytes=1, opened=True)
    some = replace(coverage, last=date(2026, 3, 4), turns={0: reading})
    assert coverage_tile(some, EN, NOON)["value"] == "1 of 30 parts"
    whole = replace(some, turns=dict.fromkeys(range(30), reading))
    later = NOON + timedelta(days=9)
    assert [coverage_tile(whole, EN, later)[name] for name in ("kind", "value")] == [
        *("good", "within 10 days"),
    ]
    found = replace(whole, turns={**whole.turns, 3: replace(reading, findings=2)})
    assert coverage_tile(found, EN, NOON)["kind"] == "bad"


def test_who_holds_the_ledgers_head_is_told_one_by_one() -> None:
    spread = Spread(
        size=7,
        holdings=[
            Holding(witness="w1", size=7, confirmed_at=NOON),
            Holding(witness="w2", size=3, confirmed_at=NOON, behind_since=NOON),
        ],
        stamps=[Stamps(authority="tsa", size=0)],
    )
    rows = witnesses_block(spread, EN, SHANGHAI)["rows"]
    assert [[cell["text"] for cell in row] for row in rows] == [
        ["w1", "7", "2026-03-04 12:00", "up to date"],
        ["w2", "3", "2026-03-04 12:00", "behind since 2026-03-04 12:00"],
        ["tsa (time stamps)", "", "", "holds nothing yet"],
    ]
    assert [row[-1]["chip"] for row in rows] == ["good", "bad", "warn"]
    assert witnesses_block(None, EN, SHANGHAI)["rows"] == []


# --- links --------------------------------------------------------------------------------------


def test_a_sealed_link_opens_in_its_session_and_for_its_purpose_only() -> None:
    text = seal("token", "question", {"typed": "13800138000"})
    assert unseal("token", "question", text) == {"typed": "13800138000"}
    assert text != seal("token", "question", {"typed": "13800138000"})
    for token, purpose, altered in (
        ("other", "question", text),
        ("token", "order", text),
        ("token", "question", text[:-4] + "AAAA"),
        ("token", "question", "ä"),
        ("token", "question", ""),
        ("token", "question", "A" * 10_000),
    ):
        with pytest.raises(StaleLinkError):
            unseal(token, purpose, altered)


@given(st.text(max_size=30))
def test_an_address_to_come_back_to_is_a_path_of_this_host(path: str) -> None:
    found = own_path("/" + path)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
    assert found.isprintable()


def test_options_of_the_command_line_are_told_as_fields() -> None:
    assert worded("仅可在案件中进行（--case）", ZH) == "仅可在案件中进行"
    assert worded("only within a case (--case)", EN) == "only within a case"
    assert worded("--from 晚于 --to", ZH) == "起始日 晚于 截止日"
    assert worded("--payment-no is empty", EN) == "payment number is empty"


# --- exports ------------------------------------------------------------------------------------


def started(jobs: Jobs, owner: str = "a") -> Job:
    clock = FrozenClock(NOON)
    make: Make = lambda job: (b"content", f"main/{job.done}")  # noqa: E731
    return jobs.start(owner, "said", "csv", clock, lambda: make)


def test_an_export_shows_how_far_it_is_and_is_given_once_to_its_own_session() -> None:
    waiting: list[object] = []
    jobs = Jobs(waiting.append)
    job = started(jobs)
    told = [job.percent]
    job.start("", 200)
    for units in (50, 50, 100):
        job.advance(units)
        told.append(job.percent)
    assert told == [None, 25, 50, 99]
    with pytest.raises(ExportsBusyError):
        started(jobs)  # one at a time for a session
    waiting[0]()  # type: ignore[operator]
    assert job in jobs.of("a", NOON)
    with pytest.raises(ArchiverError):
        jobs.take("b", job.id, NOON)
    taken = jobs.take("a", job.id, NOON)
    assert (taken.content, taken.access) == (b"content", "main/200")
    with pytest.raises(ArchiverError):
        jobs.take("a", job.id, NOON)
    assert job.content == b""


def test_an_export_without_room_uses_up_no_approval_and_one_refused_leaves_its_room() -> None:
    waiting: list[object] = []
    jobs, asked = Jobs(waiting.append), []

    def refused() -> Make:
        asked.append("approval")
        raise ApprovalNeededError(number=1, roles="compliance")

    with pytest.raises(ApprovalNeededError):
        jobs.start("a", "said", "csv", FrozenClock(NOON), refused)
    assert jobs.of("a", NOON) == []
    started(jobs)
    with pytest.raises(ExportsBusyError):
        jobs.start("a", "said", "csv", FrozenClock(NOON), refused)
    assert asked == ["approval"]


def test_a_file_that_nobody_takes_is_forgotten() -> None:
    jobs = Jobs(lambda work: work())
    job = started(jobs)
    assert [one.id for one in jobs.of("a", NOON + timedelta(minutes=9))] == [job.id]
    assert jobs.of("a", datetime(2026, 12, 1, tzinfo=UTC)) == []


def test_an_export_that_fails_says_so_and_lets_the_next_one_begin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = Jobs(lambda work: work())

    def broken(_job: Job) -> tuple[bytes, str]:
        raise ExportsBusyError

    job = jobs.start("a", "said", "csv", FrozenClock(NOON), lambda: broken)
    assert (job.state, type(job.error)) == ("failed", ExportsBusyError)

    def bug(_job: Job) -> tuple[bytes, str]:
        raise ValueError("13800138000")

    with caplog.at_level("ERROR"):
        job = jobs.start("a", "said", "csv", FrozenClock(NOON), lambda: bug)
    assert (job.state, job.error) == ("failed", None)
    assert "13800138000" not in caplog.text
    assert started(jobs).state == "ready"
