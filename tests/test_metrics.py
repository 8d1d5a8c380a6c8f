"""The text file for Prometheus: whole, in its format, each command's lines its own."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from archiver.metrics import Run, Survey, textfile
from archiver.spreading import Holding, Spread, Stamps
from archiver.status import SealedDay, SourceStatus, Status

AT = datetime(2026, 3, 6, 22, 10, tzinfo=UTC)
LINE = re.compile(
    r'(# (HELP|TYPE) archiver_\w+ .+|archiver_\w+\{(\w+="(\\.|[^"\\])*",?)+\} [\d.e+]+)'
)


def run(command: str = "nightly", exit_code: int = 0, *alarms: str, archive: str = "shop") -> Run:
    return Run(
        archive=archive, command=command, at=AT, seconds=1.23456, exit=exit_code, alarms=alarms
    )


def survey(name: str = "main") -> Survey:
    day = SealedDay(orders=5, revisions=1, rejects=2, partitions=1, size_bytes=1000)
    sealed = {date(2026, 3, 3): day, date(2026, 3, 4): day}
    one = SourceStatus(source=name, sealed=sealed, missing=[date(2026, 3, 5)])
    status = Status(sources=[one], last_closed=date(2026, 3, 5), last_manifest=None)
    return Survey(status=status, lock="COMPLIANCE", zone=ZoneInfo("Asia/Shanghai"))


def value(text: str, start: str) -> float:
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return float(found.rpartition(" ")[2])


def test_it_says_what_is_sealed_what_is_missing_and_how_the_run_ended() -> None:
    text = textfile(run("nightly", 3, "rejects", "rejects", "vanished"), survey(), "")
    ours = 'archive="shop",source="main"}'
    assert value(text, f"archiver_orders_sealed{{{ours}") == 10
    assert value(text, f"archiver_rejects_sealed{{{ours}") == 4
    assert value(text, f"archiver_days_missing{{{ours}") == 1
    assert value(text, f"archiver_last_sealed_day_age_days{{{ours}") == 1
    end = datetime(2026, 3, 5, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    assert value(text, f"archiver_last_sealed_day_end_timestamp_seconds{{{ours}") == end
    assert value(text, 'archiver_lock_info{archive="shop",lock="COMPLIANCE"}') == 1
    told = 'archive="shop",command="nightly"'
    assert value(text, f"archiver_last_run_exit_code{{{told}}}") == 3
    assert value(text, f"archiver_last_run_duration_seconds{{{told}}}") == 1.235
    assert value(text, f"archiver_last_run_timestamp_seconds{{{told}}}") == AT.timestamp()
    assert value(text, f'archiver_last_run_alarms{{{told},code="rejects"}}') == 2


def test_it_says_who_is_behind_with_the_ledgers_head() -> None:
    spread = Spread(
        size=7,
        holdings=[
            Holding(witness="share", size=7, confirmed_at=AT),
            Holding(witness="notary", size=5, behind_since=AT - timedelta(hours=1)),
        ],
        stamps=[Stamps(authority="tsa", size=6, waiting=1, behind_since=AT - timedelta(days=2))],
    )
    text = textfile(run(), replace(survey(), spread=spread), "")
    assert value(text, 'archiver_ledger_entries{archive="shop"}') == 7
    assert value(text, 'archiver_witness_entries{archive="shop",witness="notary"}') == 5
    assert value(text, 'archiver_witness_behind_seconds{archive="shop",witness="share"}') == 0
    assert value(text, 'archiver_witness_behind_seconds{archive="shop",witness="notary"}') == 3600
    assert value(text, "archiver_timestamp_entries{") == 6
    assert value(text, "archiver_timestamp_behind_seconds{") == 2 * 86_400
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    assert "witness" not in textfile(run(), survey(), text)


def test_every_line_has_the_format() -> None:
    text = textfile(run(archive='odd "\\\n name'), survey(), "")
    assert text.endswith("\n")
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    helped = re.findall(r"^# HELP (\w+)", text, re.MULTILINE)
    assert len(helped) == len(set(helped)) == len(re.findall("^# TYPE", text, re.MULTILINE))


def test_each_command_replaces_its_own_lines_only() -> None:
    night = textfile(run("nightly", 10, "source-unavailable"), survey(), "")
    both = textfile(run("status", 20, "day-not-sealed"), survey(), night)
    assert value(both, 'archiver_last_run_exit_code{archive="shop",command="nightly"}') == 10
    assert value(both, 'archiver_last_run_exit_code{archive="shop",command="status"}') == 20
    later = textfile(run("nightly"), survey(), both)
    assert "source-unavailable" not in later
    assert "day-not-sealed" in later


def test_a_run_that_saw_nothing_keeps_what_was_last_known() -> None:
    before = textfile(run("nightly"), survey(), "")
    after = textfile(run("nightly", 10, "store-unavailable"), None, before)
    assert value(after, "archiver_orders_sealed{") == 10
    assert value(after, "archiver_last_run_exit_code{") == 10


def test_a_source_that_is_gone_is_gone() -> None:
    before = textfile(run(), survey("old"), "")
    assert 'source="old"' not in textfile(run(), survey("new"), before)


def test_lines_that_are_not_ours_are_dropped() -> None:
    text = textfile(run(), None, "rubbish\x00\narchiver_rubbish\nup 1\n")
    assert "rubbish" not in text
    assert "up" not in text.split()
