"""Instants and amounts as pages show them. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from archiver.service.pages.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """An instant, as the clocks of a zone show it."""

    iso: str
    day: str
    minute: str
    second: str

    @property
    def minute_of_day(self) -> str:
        """Day and minute together."""
        return f"{self.day} {self.minute}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """An amount of money."""

    text: str
    currency: str


def at(instant: datetime | str | None, zone: ZoneInfo) -> At | None:
    """Return an instant, which answers give as text, too; None for none."""
    if instant is None:
        return None
    told = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    local = told.astimezone(zone)
    return At(
        iso=local.isoformat(timespec="seconds"),
        day=f"{local:%Y-%m-%d}",
        minute=f"{local:%H:%M}",
        second=f"{local:%H:%M:%S}",
    )


def amount(value: Decimal | str | None, currency: str | None) -> Amount | None:
    """Return an amount with its thousands apart; None for none."""
    if value is None:
        return None
    return Amount(text=f"{Decimal(value):,.2f}", currency=currency or "")


def duration(length: timedelta, words: Words) -> str:
    """Return a length of time in its two largest units."""
    seconds = int(length.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if days:
        return words("took.days", days=days, hours=hours % 24)
    if hours:
        return words("took.hours", hours=hours, minutes=minutes % 60)
    if minutes:
        return words("took.minutes", minutes=minutes, seconds=seconds % 60)
    return words("took.seconds", seconds=seconds)


def size(size_bytes: int) -> str:
    """Return a size in the largest unit of which there is at least one."""
    units = ("B", "kB", "MB", "GB", "TB")
    value, unit = float(size_bytes), 0
    while value >= 1_000 and unit < len(units) - 1:  # noqa: PLR2004  SI
        value, unit = value / 1_000, unit + 1
    return f"{value:.0f} {units[unit]}" if unit == 0 else f"{value:.1f} {units[unit]}"
