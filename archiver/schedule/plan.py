"""What a schedule says, whoever carries it out: times, paths, rights, names of secrets."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from archiver.configuration import Configuration
from archiver.errors import ConfigurationError, Said

SETTLED: Final = timedelta(minutes=15)
"""After the grace period: hosts' and databases' clocks may differ by some minutes."""
WORK: Final = timedelta(hours=4)
"""From the night's start to the check that it was done, where `sealed_by` says nothing."""
CHECK_AFTER: Final = timedelta(minutes=10)
"""After `sealed_by`."""
VERIFY_AFTER: Final = timedelta(minutes=30)
"""After the check."""
RETRY_AFTER: Final = timedelta(minutes=15)
SIGHT_EVERY: Final = timedelta(minutes=5)
"""From the end of an order to its sighting: so long may it be changed unseen."""
RETRIES: Final = 8
"""Two hours of a source or a store that is down; then it is a matter for people."""
ENVIRONMENT_FOLDER: Final = Path("/etc/archiver")
_FORESEEN_DAYS: Final = 400
"""Over a year: every change of the clocks is met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are on this host, all absolute."""

    program: Sequence[Path | str]
    """The executable, and its first arguments if it is an interpreter."""
    config: Path
    user: str
    home: Path
    """The user's: AWS credentials may be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A schedule."""

    archive: str
    unit: str
    """What file names begin with: `archiver-` and the archive's name, in ASCII."""
    places: Places
    zone: ZoneInfo
    night_at: time
    """In the zone; the clock shows it on every day of the year."""
    check_at: time
    verify_at: time
    proves_lock: bool
    """A folder has no lock to prove."""
    tells_head: bool
    """There is a file elsewhere that the access log's head goes to."""
    writable: Sequence[Path]
    """Folders."""
    elsewhere: Sequence[Path]
    """Folders of witnesses: written to when they are there, and nothing waits for them."""
    protected: Sequence[Path]
    """Files that a night reads and never writes, some in writable folders."""
    used: Sequence[Path]
    """All paths that a night needs."""
    secrets: Sequence[str]
    """Names of environment variables."""
    prover_secrets: Sequence[str]
    environment: Path
    """The file that holds the secrets."""
    prover_environment: Path
    lock: Path
    """What keeps two runs of cron apart."""
    runner: bool
    """The service reveals through another account: it must be able to become that."""
    drain_seconds: int
    """How long the service may take to end."""


def plan_schedule(configuration: Configuration, places: Places, today: date) -> Plan:
    """Return when and how nights of this configuration should run.

    Args:
        configuration: Its relative paths start at the folder of `places.config`.
        places: This host's.
        today: Changes of the clocks are foreseen for more than a year from here.

    Raises:
        ConfigurationError: A path has a line break, or the program's a quote.
    """
    folder = places.config.parent
    zone = ZoneInfo(configuration.archive.timezone)
    night_at = _night_at(configuration.archive.grace_hours, zone, today)
    sealed_by = configuration.alarms.sealed_by
    check_at = _plus(sealed_by, CHECK_AFTER) if sealed_by else _plus(night_at, WORK)
    writable = list(dict.fromkeys(_writable(configuration, folder)))
    elsewhere = list(dict.fromkeys(_elsewhere(configuration, folder)))
    protected = [places.config, folder / "archive.json", *_key_files(configuration, folder)]
    program = [Path(part) for part in places.program if Path(part).is_absolute()]
    used = [*program, *writable, *elsewhere, *protected]
    _require_plain(used, program)
    name = configuration.archive.name
    prover = configuration.prover
    proven = (prover.access_key_env, prover.secret_key_env, prover.session_token_env)
    return Plan(
        archive=name,
        unit=f"archiver-{_ascii(name)}",
        places=places,
        zone=zone,
        night_at=night_at,
        check_at=check_at,
        verify_at=_plus(check_at, VERIFY_AFTER),
        proves_lock=not configuration.store.url.startswith("dir:"),
        tells_head=configuration.access.head_file is not None,
        writable=writable,
        elsewhere=elsewhere,
        protected=protected,
        used=used,
        secrets=list(dict.fromkeys(_secrets(configuration))),
        prover_secrets=[variable for variable in proven if variable],
        environment=ENVIRONMENT_FOLDER / f"{_ascii(name)}.env",
        prover_environment=ENVIRONMENT_FOLDER / f"{_ascii(name)}-prover.env",
        lock=folder / configuration.index.path / "cron.lock",
        runner=bool(configuration.reveal.runner),
        drain_seconds=configuration.service.drain_seconds,
    )


def _require_plain(paths: Sequence[Path], programs: Sequence[Path]) -> None:
    """Refuse what would end a line, and of a program what systemd refuses (string_is_safe)."""
    bad = [path for path in paths if not str(path).isprintable()]
    bad += [path for path in programs if set(str(path)) & set("\"'\\")]
    if bad:
        raise ConfigurationError(
            detail=Said(
                f"this path has characters that cannot be scheduled: {str(bad[0])!r}",
                f"此路径含有无法用于计划任务的字符：{str(bad[0])!r}",
            )
        )


def _night_at(grace_hours: float, zone: ZoneInfo, today: date) -> time:
    """Return a time of day at which the day before is closed, on every day of the year.

    The grace period is counted in elapsed hours, wall clocks jump: where they do, an hour is
    added, and a time that a jump leaves out is passed over.
    """
    days = [today + timedelta(days=n) for n in range(_FORESEEN_DAYS)]
    offsets = {_on(day, time(12), zone).utcoffset() for day in days}
    after = timedelta(hours=grace_hours) + SETTLED
    if len(offsets) > 1:
        after += timedelta(hours=1)
    at = _plus(time(0), after)
    while any(_skipped(day, at, zone) for day in days):
        at = _plus(at, timedelta(hours=1))
    return at


def _skipped(day: date, at: time, zone: ZoneInfo) -> bool:
    """Return whether a jump of the clocks leaves this out (PEP 495: it does not round-trip)."""
    local = _on(day, at, zone)
    return local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None)


def _on(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=zone)


def _plus(at: time, more: timedelta) -> time:
    return (datetime.combine(date(2000, 1, 1), at) + more).time().replace(second=0, microsecond=0)


def _writable(configuration: Configuration, folder: Path) -> Iterator[Path]:
    yield folder / configuration.index.path
    store, state = configuration.store.url, configuration.state.url
    if store.startswith("dir:"):
        yield folder / store.removeprefix("dir:")
    if state.startswith("sqlite:///"):
        # SQLite writes its journal beside the file.
        yield (folder / state.removeprefix("sqlite:///")).parent
    if configuration.access.head_file is not None:
        yield (folder / configuration.access.head_file).parent
    if configuration.alarms.prometheus_textfile is not None:
        yield (folder / configuration.alarms.prometheus_textfile).parent


def _elsewhere(configuration: Configuration, folder: Path) -> Iterator[Path]:
    for section in configuration.witness:
        scheme, _, path = section.url.partition(":")
        if scheme == "file":
            yield (folder / path).parent
        elif scheme == "dir":
            yield folder / path


def _key_files(configuration: Configuration, folder: Path) -> Iterator[Path]:
    """Yield what nights read. The roots are not here: they belong on other hosts."""
    for spec in (configuration.keys.signer, configuration.keys.token):
        yield folder / spec.removeprefix("file:")
    for section in configuration.timestamp:
        yield folder / section.ca


def _secrets(configuration: Configuration) -> Iterator[str]:
    alarms = configuration.alarms
    sources = (source.password_env for source in configuration.source)
    yield from (one for one in (*sources, configuration.state.password_env) if one)
    yield from (one for one in (alarms.webhook_url_env, alarms.webhook_secret_env) if one)
    for witness in configuration.witness:
        keys = (witness.access_key_env, witness.secret_key_env, witness.session_token_env)
        yield from (one for one in keys if one)
    yield from (one.authorization_env for one in configuration.timestamp if one.authorization_env)


def _ascii(name: str) -> str:
    """Return a name that unit files may have: of 店铺-1, `1-` and some digits of its digest."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "", name).strip("-.")
    if plain == name:
        return name
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
