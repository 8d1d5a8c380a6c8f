"""A host with an `archiver.toml`: what an operator has, driven as the nightly job drives it."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from archiver.archive import Archive
from archiver.nightly import NightReport
from archiver.wiring import Installation
from tests.archives import Silent
from tests.clock import FrozenClock
from tests.servers.seaweedfs import S3Bucket

SHANGHAI = ZoneInfo("Asia/Shanghai")

CONFIGURATION = """
[archive]
name = "shop-1"
role = "platform"
legal_basis = "电子商务法第三十一条"
{archive}
[store]
{store}
[retention]
years = 3
{retention}
{sources}
"""


def real_noon() -> FrozenClock:
    """Return a clock that stands still at the moment of the call: a store's clock is real."""
    return FrozenClock(datetime.now(UTC))


def dir_store(path: str = "vault") -> str:
    """Return the lines of `[store]` for a folder."""
    return f'url = "dir:{path}"'


def s3_store(bucket: S3Bucket, prefix: str = "vault") -> str:
    """Return the lines of `[store]` for a bucket."""
    return (
        f'url = "{bucket.url}/{prefix}"\nendpoint = "{bucket.endpoint}"\nregion = "{bucket.region}"'
    )


def source(url: str, *, name: str = "main", preset: str = "dujiaoka", more: str = "") -> str:
    """Return a `[[source]]`."""
    return f'[[source]]\nname = "{name}"\npreset = "{preset}"\nurl = "{url}"\n{more}\n'


@dataclass(slots=True)
class Site:
    """A folder with a configuration, keys and local copies; and the host's clock."""

    folder: Path
    clock: FrozenClock = field(default_factory=real_noon)
    environment: dict[str, str] = field(default_factory=dict)

    def configure(
        self, *, store: str, sources: str, archive: str = "", retention: str = ""
    ) -> "Site":
        """Write `archiver.toml`."""
        self.folder.mkdir(exist_ok=True)
        text = CONFIGURATION.format(
            store=store, sources=sources, archive=archive, retention=retention
        )
        tomllib.loads(text)
        (self.folder / "archiver.toml").write_text(text, "utf-8")
        return self

    @property
    def installation(self) -> Installation:
        """What the configuration leads to, read anew."""
        loaded = Installation.load(self.folder / "archiver.toml", self.clock)
        return replace(loaded, environment={**loaded.environment, **self.environment})

    def init(self) -> Archive:
        """Found the archive."""
        return self.installation.initialise()

    def night(self, as_of: date | None = None) -> NightReport:
        """Run a night, as a process of its own would: nothing is left open from the last one."""
        with self.installation.night(Silent()) as night:
            return night.run(as_of)

    def first_night(self, as_of: date | None = None) -> NightReport:
        """Found the archive and run its first night."""
        self.init()
        return self.night(as_of)

    @property
    def last_closed(self) -> date:
        """The last day that a night may seal: two hours of grace behind midnight in Shanghai."""
        return (self.clock.now() - timedelta(hours=2)).astimezone(SHANGHAI).date() - timedelta(1)

    def days_before(self, days: int) -> date:
        """Return the day that lies so many days before the last closed one."""
        return self.last_closed - timedelta(days)

    @property
    def secrets(self) -> Mapping[str, bytes]:
        """The contents of the key files by name."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.key")}


def total(report: NightReport) -> dict[str, int]:
    """Return a night's counts over all days, without zeros."""
    sums: dict[str, int] = {}
    for day in report.days:
        for name, count in day.counts.items():
            sums[name] = sums.get(name, 0) + count
    return {name: count for name, count in sums.items() if count}


def reasons(report: NightReport) -> dict[str, int]:
    """Return how many rows were rejected for which reason."""
    sums: dict[str, int] = {}
    for day in report.days:
        for name, count in day.reject_reasons.items():
            sums[name] = sums.get(name, 0) + count
    return sums


def assert_identity(report: NightReport) -> None:
    """Every row read is counted exactly once (DESIGN 3.8)."""
    parts = (
        *("orders", "revisions", "unchanged", "duplicates"),
        *("rejects", "rejected_before", "expired"),
    )
    for day in report.days:
        assert day.counts["read"] == sum(day.counts[part] for part in parts), day.day


def codes(report: NightReport) -> Sequence[str]:
    """Return the codes of what stopped the night."""
    return [failure.code for failure in report.failures]


def shown(error: Any) -> str:  # noqa: ANN401  an error or a report of several
    """Return all that an operator gets to see of an error, in both languages."""
    failures = getattr(error, "failures", [error])
    return "\n".join(
        text for one in failures for text in (one.text("en"), one.text("zh"), one.next_command)
    )
