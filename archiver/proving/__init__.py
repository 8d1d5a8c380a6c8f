"""Proving one order to a stranger, offline, without showing him any other."""

from archiver.proving.configured import outsiders_of, proving_in
from archiver.proving.gathering import Gathered, NothingToProveError, NotInLedgerError, Proving
from archiver.proving.outsiders import Outsiders, time_stamp

__all__ = [
    "Gathered",
    "NotInLedgerError",
    "NothingToProveError",
    "Outsiders",
    "Proving",
    "outsiders_of",
    "proving_in",
    "time_stamp",
]
