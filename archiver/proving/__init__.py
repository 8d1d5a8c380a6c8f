"""Proving one order to a stranger, offline, without showing him any other."""

from archiver.proving.gathering import NotInLedgerError, Proving
from archiver.proving.outsiders import Outsiders, time_stamp

__all__ = ["NotInLedgerError", "Outsiders", "Proving", "time_stamp"]
