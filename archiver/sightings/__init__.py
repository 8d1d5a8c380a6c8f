"""Sightings: finished orders as they are before their night, and what became of them by then.

Between the end of an order and its sealing lie hours in which the shop's administrator can change
it unseen. A sighting takes keyed digests of what has just ended or changed and stores them, signed
and locked, in the archive's store; a night compares what it has sealed with what was sighted.
"""

from archiver.sightings.comparing import Compared, compare, sealed_lately, told
from archiver.sightings.judging import Change, Finding, words
from archiver.sightings.looking import Judged, Looked, judge, look_around
from archiver.sightings.reading import Sightings
from archiver.sightings.taking import Sight, Taken, sight

__all__ = [
    "Change",
    "Compared",
    "Finding",
    "Judged",
    "Looked",
    "Sight",
    "Sightings",
    "Taken",
    "compare",
    "judge",
    "look_around",
    "sealed_lately",
    "sight",
    "told",
    "words",
]
