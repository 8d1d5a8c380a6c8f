"""Proving one order to a stranger, offline, without showing him any other."""

from archiver.proving.configured import outsiders_of
from archiver.proving.gathering import NothingToProveError, NotInLedgerError, Proven, Proving
from archiver.proving.outsiders import Outsiders, time_stamp

__all__ = [
    "NotInLedgerError",
    "NothingToProveError",
    "Outsiders",
    "Proven",
    "Proving",
    "outsiders_of",
    "time_stamp",
]
