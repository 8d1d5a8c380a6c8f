"""Sealed orders, read for comparing: the latest revisions, partition by partition.

Responsible for opening partitions with the base root and for reading no leaf that comparing
does not need. Walks from the newest manifest to the oldest, so that the first revision of an
order that is met is the latest, and only ids of revised orders must be remembered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import pyarrow as pa

from archiver import keyring, partition
from archiver.archive import Archive
from archiver.keyring import KeyPair
from schemas.documents import Cohort, Manifest, SealedObject

LEAVES: Final = (
    "source",
    "order_id",
    "revision",
    "outcome",
    "money.paid",
    "money.currency",
    "created_at",
    "paid_at",
    "paid_basis",
    "completed_at",
    *(
        f"payments.list.element.{name}"
        for name in (
            *("method", "channel", "provider_no", "aggregator_no", "merchant_no"),
            *("amount", "callback_at"),
        )
    ),
    "after_sales.list.element.amount",
    "after_sales.list.element.number",
)
"""What is decrypted, and nothing else."""

BEFORE: Final = timedelta(days=1)
"""Clocks of shop and provider differ at midnight."""
AFTER: Final = timedelta(days=8)
"""Orders come late by the default look-back (7 days) and the day of the night."""
LATE: Final = timedelta(days=60)
"""How far orders are looked for whose payment or refund has found none: manual deliveries
finish weeks after they were paid."""


@dataclass(slots=True)
class SealedOrders:
    """Reads partitions with the private half of the base root."""

    archive: Archive
    root: KeyPair
    _cohorts: dict[str, tuple[Cohort, KeyPair]] = field(default_factory=dict)

    def read(self, manifest: Manifest) -> Iterator[pa.Table]:
        """Yield the orders of a manifest, one partition at a time.

        Raises:
            TamperedError: What is stored is not what was signed.
            KeyUnavailableError: The root does not open it.
            StoreError: The store did not answer.
        """
        for stored in manifest.objects:
            if stored.kind == "orders":
                yield self._read(stored)

    def _read(self, stored: SealedObject) -> pa.Table:
        cohort, pair = self._cohort(stored.cohort)
        kek = keyring.open_kek(cohort, "base", pair, stored)
        content = self.archive.store.get(stored.key, stored.version_id)
        file = partition.open_file(
            content, {"base": kek}, footer_sha256=stored.footer.sha256, where=stored.key
        )
        return partition.read_rows(file, LEAVES, stored.key)

    def _cohort(self, name: str) -> tuple[Cohort, KeyPair]:
        if name not in self._cohorts:
            cohort = self.archive.read_cohort(name)
            self._cohorts[name] = cohort, keyring.open_cohort_key(cohort, "base", self.root)
        return self._cohorts[name]


def plan_reading(
    manifests: Sequence[Manifest], first: date, last: date
) -> tuple[list[Manifest], list[Manifest], list[Manifest]]:
    """Choose the manifests that may hold orders of a period.

    Args:
        manifests: In the order in which they count.
        first: The period's first day.
        last: Its last day.

    Returns:
        Those that must be read, newest first: the period's days with a margin, and everything
        later that holds revisions. Later ones, oldest first, and earlier ones, newest first,
        for what is not found in these.
    """
    must: list[Manifest] = []
    later: list[Manifest] = []
    earlier: list[Manifest] = []
    for manifest in manifests:
        if not any(stored.kind == "orders" for stored in manifest.objects):
            continue
        near = first - BEFORE <= manifest.day <= last + AFTER
        if near or (manifest.day > last and manifest.counts.revisions):
            must.append(manifest)
        elif last < manifest.day <= last + LATE:
            later.append(manifest)
        elif first - LATE <= manifest.day < first:
            earlier.append(manifest)
    return must[::-1], later, earlier[::-1]
