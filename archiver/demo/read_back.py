"""Reading one order back from the encrypted partitions, with the base root alone.

The way of FORMAT.md's reader of last resort: root, cohort key, key-encryption key, footer,
rows. It looks through partitions one by one; finding an order by an index comes with look-ups.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.compute as pc

from archiver import keyring, partition
from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.errors import KeyUnavailableError
from archiver.keyring import KeyPair
from schemas.documents import SealedObject
from schemas.orders import ORDER_V1, leaf_paths

SECRET: Final = "deliveries.list.element.secret"  # noqa: S105  a column's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One sealed revision of an order, without what the base key does not open."""

    row: dict[str, Any]
    manifest: int
    stored: SealedObject
    refusal: KeyUnavailableError | None
    """What asking for the card secret was answered; None if it was shown."""


@dataclass(slots=True)
class Reader:
    """Opens partitions with the private half of the base root."""

    archive: Archive
    catalog: Catalog
    root: KeyPair

    def find(self, source: str, order_id: str) -> Iterator[Found]:
        """Yield every sealed revision of an order, oldest manifest first."""
        for entry in self.catalog.entries:
            if entry.document.source != source:
                continue
            for stored in entry.document.objects:
                if stored.kind == "orders":
                    found = self._find_in(stored, order_id)
                    if found is not None:
                        row, refusal = found
                        number = entry.document.number
                        yield Found(row=row, manifest=number, stored=stored, refusal=refusal)

    def _find_in(
        self, stored: SealedObject, order_id: str
    ) -> tuple[dict[str, Any], KeyUnavailableError | None] | None:
        cohort = self.archive.read_cohort(stored.cohort)
        pair = keyring.open_cohort_key(cohort, "base", self.root)
        kek = keyring.open_kek(cohort, "base", pair, stored)
        content = self.archive.store.get(stored.key, stored.version_id)
        file = partition.open_file(
            content, {"base": kek}, footer_sha256=stored.footer.sha256, where=stored.key
        )
        ids = partition.read_rows(file, ["order_id"], stored.key)["order_id"]
        place = pc.index(ids, order_id).as_py()
        if place < 0:
            return None
        base = [path for path, key in leaf_paths(ORDER_V1).items() if key == "base"]
        row = partition.read_rows(file, base, stored.key).slice(place, 1).to_pylist()[0]
        try:
            partition.read_rows(file, [SECRET], stored.key)
        except KeyUnavailableError as error:
            return row, error
        return row, None
