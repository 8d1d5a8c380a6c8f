"""What the mapper is told, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from archiver.mapping.facets import Facet
from schemas.orders import REJECT_V1

REJECTED_V1: Final = pa.schema([field for field in REJECT_V1 if field.name != "row_digest"])
"""Rejects as the mapper gives them: the keyed digest is the caller's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapContext:
    """What a mapper must be told."""

    archive: str
    source: str
    observed_at: datetime
    session_zone: str = "UTC"
    """The zone of times declared as `session` (`DatabaseSource.session_zone`)."""
    include_open: bool = False
    """Map unfinished paid orders too, without an end time; else they count as not archived."""
    facets: bool = False
    """Give each order's facets, too (`archiver.mapping.facets`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedPage:
    """A page after mapping: every row is in exactly one of orders, rejects, not archived."""

    orders: pa.Table
    """Exactly ORDER_V1. Revision 1; `card_token` and `secret_commitment` wait for sealing."""
    content: pa.LargeBinaryArray
    """Bytes of each order that decide whether it changed (`archiver.mapping.content`)."""
    row: npt.NDArray[np.int64]
    """The page row of each order, ascending."""
    changed_at: pa.Array
    """When the source last touched each order; null where it does not say."""
    rejects: pa.Table
    """REJECT_V1 without `row_digest`."""
    reject_content: pa.LargeBinaryArray
    not_archived: int
    """Rows in states that are not archived: never paid, or still open."""
    facets: Mapping[Facet, pa.LargeBinaryArray] = field(default_factory=dict)
    """Bytes of each order by facet, where they were asked for."""
