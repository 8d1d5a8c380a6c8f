"""The local index: where in which partition the orders are that have a value.

Responsible for the files of a host that looks orders up: built from the segments in the store
with the base root, merged to a few sorted ones, published at once, read while the next ones are
written. They hold keyed tokens, places and times, no values. They can be lost: whatever is
missing is built again from store and roots. A night cannot build them, for it opens no segment
(DESIGN 3.3). Refuses to answer from files that are not the ones that were written.
"""

from archiver.index.building import Built, IndexBuilder
from archiver.index.keys import IndexKeys
from archiver.index.looking import Index
from archiver.index.places import Coverage, Hit, Lacking, PartitionPlace

__all__ = [
    "Built",
    "Coverage",
    "Hit",
    "Index",
    "IndexBuilder",
    "IndexKeys",
    "Lacking",
    "PartitionPlace",
]
