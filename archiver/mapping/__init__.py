"""The mapper: rows of any shop into orders, as a TOML file says. Pure: no clock, no I/O."""

from archiver.mapping.apply import CLOCK_SLACK, apply
from archiver.mapping.faults import Reason
from archiver.mapping.model import OrderMapping
from archiver.mapping.page import REJECTED_V1, MapContext, MappedPage
from archiver.mapping.parse import parse_mapping

__all__ = [
    "CLOCK_SLACK",
    "REJECTED_V1",
    "MapContext",
    "MappedPage",
    "OrderMapping",
    "Reason",
    "apply",
    "parse_mapping",
]
