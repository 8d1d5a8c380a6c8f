"""What is sealed and what is missing, day by day.

Pure over the manifests that were read, the rules and the clock: nothing is read from the
store here, so a status says what the chain of manifests says. A day is due from the first
sealed day of its source (or `[archive] since`, if that is earlier) to the last closed one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from archiver.archive import Rules
from archiver.catalog import Catalog
from archiver.errors import SourceGoneError
from schemas.documents import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDay:
    """One sealed day of one source, all its manifests together."""

    orders: int = 0
    revisions: int = 0
    rejects: int = 0
    partitions: int = 0
    size_bytes: int = 0
    """Of all objects that the manifests name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """The days of one source."""

    source: str
    sealed: Mapping[date, SealedDay]
    """Oldest first."""
    missing: Sequence[date]
    """Closed, due and without a manifest; oldest first. Empty for a source that the
    configuration no longer names."""
    overdue: Sequence[date] = ()
    """Those of them that should have been sealed by the configured hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole archive."""

    sources: Sequence[SourceStatus]
    last_closed: date
    last_manifest: Manifest | None
    gone: Sequence[SourceGoneError] = ()
    """Alarms: sealed sources that the configuration no longer names."""


def survey(
    catalog: Catalog,
    rules: Rules,
    now: datetime,
    sources: Sequence[str],
    sealed_by: time | None = None,
) -> Status:
    """Return the status of an archive whose catalog has been refreshed.

    Args:
        catalog: The chain of manifests.
        rules: The archive's.
        now: Aware.
        sources: Names in the configuration, in its order.
        sealed_by: The local hour by which closed days must be sealed, if there is one.
    """
    last = rules.last_closed_day(now)
    days: dict[str, dict[date, SealedDay]] = {name: {} for name in sources}
    for entry in catalog.entries:
        manifest = entry.document
        of_source = days.setdefault(manifest.source, {})
        of_source[manifest.day] = _with(of_source.get(manifest.day, SealedDay()), manifest)
    founded = catalog.archive.document.created_at
    due = due_day(rules, now, sealed_by, founded) if sealed_by else date.min
    found = []
    for name, sealed in days.items():
        missing = _missing(sealed, rules.since, last) if name in sources else []
        found.append(
            SourceStatus(
                source=name,
                sealed=dict(sorted(sealed.items())),
                missing=missing,
                overdue=[day for day in missing if day <= due],
            )
        )
    return Status(
        sources=found,
        last_closed=last,
        last_manifest=catalog.entries[-1].document if catalog.entries else None,
        gone=catalog.gone(sources),
    )


def status_fields(found: Status, lock: str, name: str, store: str) -> dict[str, Any]:
    """Return a status as JSON.

    Args:
        found: The status.
        lock: What the lock is called.
        name: The archive's.
        store: How the store describes itself.
    """
    last = found.last_manifest
    days = [day for one in found.sources for day in one.sealed.values()]
    at = last.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z") if last else None
    return {
        "name": name,
        "store": store,
        "days_sealed": {one.source: [str(day) for day in one.sealed] for one in found.sources},
        "days_missing": {one.source: [str(day) for day in one.missing] for one in found.sources},
        "last_closed_day": str(found.last_closed),
        "lock": lock,
        "last_manifest": last.number if last else None,
        "last_manifest_at": at,
        "counts": {
            "orders": sum(day.orders for day in days),
            "revisions": sum(day.revisions for day in days),
            "rejects": sum(day.rejects for day in days),
            "partitions": sum(day.partitions for day in days),
            "size_bytes": sum(day.size_bytes for day in days),
        },
    }


def due_day(rules: Rules, now: datetime, sealed_by: time, founded: datetime) -> date:
    """Return the last day that must be sealed by now.

    It is the last one that was closed when the clock of the archive's zone last showed
    `sealed_by`; none, if the archive was founded after that.
    """
    local = now.astimezone(rules.zone)
    deadline = datetime.combine(local.date(), sealed_by, tzinfo=rules.zone)
    if deadline > now:
        deadline = datetime.combine(local.date() - timedelta(days=1), sealed_by, rules.zone)
    return rules.last_closed_day(deadline) if founded <= deadline else date.min


def _with(day: SealedDay, manifest: Manifest) -> SealedDay:
    kept = [one for one in manifest.objects if one.kind in ("orders", "rejects")]
    return SealedDay(
        orders=day.orders + manifest.counts.orders,
        revisions=day.revisions + manifest.counts.revisions,
        rejects=day.rejects + manifest.counts.rejects,
        partitions=day.partitions + len(kept),
        size_bytes=day.size_bytes + sum(one.size_bytes for one in manifest.objects),
    )


def _missing(sealed: Mapping[date, SealedDay], since: date | None, last: date) -> list[date]:
    # Before the first night nobody knows where the source begins; its last day is due anyway.
    # Of a `since` that was moved later, nothing that was begun becomes less due.
    first = min([*sealed, *([since] if since else [])], default=last)
    due = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in due if day not in sealed]
