"""A night runs when the day before is closed, on every day of the year and in every zone."""

from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ConfigurationError
from archiver.schedule import systemd_units
from tests.archives import RULES
from tests.schedule.plans import TODAY, plan

ZONES = ("Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Beirut")


def test_a_night_starts_after_midnight_and_the_grace_period() -> None:
    made = plan()
    assert (made.night_at, made.zone.key) == (time(2, 15), "Asia/Shanghai")


@given(
    zone=st.sampled_from(ZONES),
    grace=st.integers(0, 23).map(lambda quarter: quarter / 2),
    ahead=st.integers(0, 399),
)
def test_the_day_before_is_closed_when_the_night_starts(
    zone: str, grace: float, ahead: int
) -> None:
    made = plan(archive={"timezone": zone, "grace_hours": grace})
    day = TODAY + timedelta(days=ahead)
    start = datetime.combine(day, made.night_at, tzinfo=ZoneInfo(zone))
    rules = RULES.__class__(
        retention=RULES.retention,
        zone=ZoneInfo(zone),
        grace=timedelta(hours=grace),
        lookback=RULES.lookback,
        max_bytes_per_night=RULES.max_bytes_per_night,
    )
    assert rules.last_closed_day(start) == day - timedelta(days=1)


@pytest.mark.parametrize("zone", ZONES)
def test_the_clock_shows_the_time_on_every_day(zone: str) -> None:
    at = plan(archive={"timezone": zone, "grace_hours": 1}).night_at
    for ahead in range(400):
        day = date.fromordinal(TODAY.toordinal() + ahead)
        start = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
        there = datetime.fromtimestamp(start.timestamp(), ZoneInfo(zone))
        assert there.replace(tzinfo=None) == start.replace(tzinfo=None)


def test_the_check_comes_after_the_configured_hour_or_long_after_the_start() -> None:
    assert plan(alarms={"sealed_by": "06:00"}).check_at == time(6, 10)
    assert plan().check_at == time(6, 15)


def test_only_what_a_night_writes_is_writable() -> None:
    made = plan(
        store="dir:vault",
        state={"url": "sqlite:///state/state.db"},
        alarms={"prometheus_textfile": "/var/lib/node/archiver.prom"},
    )
    folder = Path("/etc/archiver")
    assert made.writable == [
        *(folder / "index", folder / "vault", folder / "state"),
        Path("/var/lib/node"),
    ]
    assert folder / "signer.key" in made.protected
    assert not [path for path in made.used if "root.key" in str(path)]


def test_witnesses_are_written_to_where_they_are_there_and_nothing_waits_for_them() -> None:
    made = plan(
        witness=[
            {"name": "a", "url": "file:/mnt/share/heads"},
            {"name": "b", "url": "dir:/mnt/vault"},
            {
                "name": "c",
                "url": "s3://other/place",
                "access_key_env": "W_ACCESS",
                "secret_key_env": "W_SECRET",
            },
        ],
        timestamp=[
            {
                "name": "tsa",
                "url": "https://tsa.example",
                "ca": "tsa.pem",
                "authorization_env": "TSA_AUTHORIZATION",
            }
        ],
    )
    assert made.elsewhere == [Path("/mnt/share"), Path("/mnt/vault")]
    assert not {*made.elsewhere} & {*made.writable}
    assert Path("/etc/archiver/tsa.pem") in made.protected
    assert made.secrets == ["W_ACCESS", "W_SECRET", "TSA_AUTHORIZATION"]
    assert 'ReadWritePaths="-/mnt/share"' in systemd_units(made, "en")["archiver-shop-1.service"]


def test_secrets_are_named_and_a_provers_are_apart() -> None:
    made = plan(
        source=[
            {"name": "a", "preset": "dujiaoka", "url": "mysql://r@h/s", "password_env": "DB"},
            {"name": "b", "preset": "dujiaoka", "url": "mysql://r@h/t", "password_env": "DB"},
        ],
        prover={"access_key_env": "PROVER_ACCESS", "secret_key_env": "PROVER_SECRET"},
        alarms={"webhook_url_env": "HOOK", "webhook_secret_env": "HOOK_SECRET"},
    )
    assert made.secrets == ["DB", "HOOK", "HOOK_SECRET"]
    assert made.prover_secrets == ["PROVER_ACCESS", "PROVER_SECRET"]
    assert made.environment != made.prover_environment


@pytest.mark.parametrize(
    ("name", "unit"),
    [("shop-1", "archiver-shop-1"), ("店铺-1", "archiver-1-"), ("店铺", "archiver-")],
)
def test_a_unit_has_a_name_that_systemd_takes(name: str, unit: str) -> None:
    made = plan(name=name).unit
    assert made.isascii()
    assert made.startswith(unit)
    assert plan(name="店铺").unit != plan(name="商店").unit


def test_a_path_with_a_line_break_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be scheduled"):
        plan(config=Path("/etc/a\nExecStart=/bin/evil/archiver.toml"))


def test_a_program_that_systemd_would_refuse_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be scheduled"):
        plan(program=(Path("/opt/it's/archiver"),))
