"""Naming: the days of a sealed pass get their manifests, and from then on they count.

Responsible for what a manifest must state before it is signed: as many rows sealed as were
decided on, sums of source and archive that agree. Known orders are updated after the manifest,
never before it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import pyarrow as pa

from archiver.archive import Archive
from archiver.batch import Paid, added
from archiver.capture import MappedSource
from archiver.catalog import Catalog
from archiver.errors import ReadBackError, Said
from archiver.known import KnownOrders, Origin
from archiver.passes import SealedPass
from schemas.documents import ChannelSum, Counts, Manifest, SealedObject

_NOTHING: Final = (0, Decimal("0.00"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """What became of one day of one source."""

    manifest: Manifest | None
    """None where nothing was new and the day had been sealed before."""
    day: date
    source: str
    counts: Mapping[str, int]
    outcomes: Mapping[str, int]
    reject_reasons: Mapping[str, int]
    sums: Sequence[ChannelSum]
    objects: Sequence[SealedObject]


@dataclass(slots=True)
class Namer:
    """Writes manifests to the end of the chain."""

    archive: Archive
    catalog: Catalog
    known: KnownOrders

    def name(
        self, source: MappedSource, sealed: SealedPass, day: date, entries: Iterable[pa.Table]
    ) -> DayReport:
        """Write the manifest of a day; from then on what it names counts.

        A day without news that was sealed before needs none.

        Args:
            source: What was read.
            sealed: The pass to which the day belongs.
            day: The day.
            entries: The known entries of its parts, taken when the manifest is written.

        Raises:
            ReadBackError: What was sealed is not what was decided on.
            AnotherRunError: Another run took the manifest's number. Nothing of ours counts.
            StoreError: Nothing is known; the next run finds out.
        """
        name, count, parts = source.source.name, sealed.days[day], sealed.of(day)
        objects = [stored for part in parts for stored in part.sealed.objects]
        _require_all_sealed(source, day, count.document(), objects)
        sums = _sums(source, sealed, day, added(part.sealed.paid for part in parts))
        manifest = None
        if objects or day not in self.catalog.days(name):
            rules = self.archive.rules
            manifest = Manifest(
                archive=self.archive.id,
                number=self.catalog.next_number,
                previous=self.catalog.head,
                created_at=self.archive.clock.now(),
                source=name,
                day=day,
                timezone=rules.zone.key,
                mapping=source.mapping.label,
                mapping_digest=source.mapping.digest,
                lock=self.archive.lock.value,
                retention_years=rules.retention.years,
                retention_margin_days=rules.retention.margin.days,
                counts=count.document(),
                outcomes=dict(count.outcomes),
                reject_reasons=dict(count.reasons),
                sums=sums,
                objects=objects,
            )
            self.catalog.append(manifest)
            self.known.adopt(manifest.number, entries, Origin.of(manifest))
        return DayReport(
            manifest=manifest,
            day=day,
            source=name,
            counts=count.document().model_dump(),
            outcomes=dict(count.outcomes),
            reject_reasons=dict(count.reasons),
            sums=sums,
            objects=objects,
        )


def _require_all_sealed(
    source: MappedSource, day: date, counts: Counts, objects: Sequence[SealedObject]
) -> None:
    """Compare what was decided with what was sealed, by number of rows.

    Raises:
        ReadBackError: They differ.
    """
    rows = Counter({"orders": 0, "rejects": 0})
    for stored in objects:
        rows[stored.kind] += stored.rows
    decided = counts.orders + counts.revisions, counts.rejects
    if (rows["orders"], rows["rejects"]) != decided:
        raise ReadBackError(
            key=f"{source.source.name} {day}",
            detail=Said("other numbers of rows were sealed", "封存的行数不符"),
        )


def _sums(
    source: MappedSource, sealed_pass: SealedPass, day: date, sealed: Paid
) -> list[ChannelSum]:
    """Return a day's sums by channel, source against sealed.

    Raises:
        ReadBackError: They do not add up: something was lost or doubled on the way.
    """
    sums = []
    for key in sorted(key for key in {*sealed_pass.source_paid, *sealed} if key[0] == day):
        source_orders, source_amount = sealed_pass.source_paid.get(key, _NOTHING)
        known_orders, known_amount = sealed_pass.known_paid.get(key, _NOTHING)
        sealed_orders, sealed_amount = sealed.get(key, _NOTHING)
        if (source_orders, source_amount) != (
            known_orders + sealed_orders,
            known_amount + sealed_amount,
        ):
            raise ReadBackError(
                key=f"{source.source.name} {day} {key[1]}",
                detail=Said("sums of source and archive differ", "数据源与档案的合计不一致"),
            )
        sums.append(
            ChannelSum(
                channel=key[1],
                currency=key[2],
                source_orders=source_orders,
                source_amount=source_amount,
                sealed_orders=sealed_orders,
                sealed_amount=sealed_amount,
                known_orders=known_orders,
                known_amount=known_amount,
            )
        )
    return sums
