"""Reconciliation: a payment provider's statement against what was sealed.

The one check of completeness that the shop's administrator cannot forge: what the provider was
paid comes from the provider. Needs the base root, for payment numbers and amounts are sealed;
holds no more of the archive in memory than one partition. Its result is a signed document of
the store (FORMAT.md 3); payment numbers leave this process only as tokens and in the local
report that was asked for.
"""

from archiver.reconcile.comparing import Comparison, compare
from archiver.reconcile.judging import DayLine, Found, FoundTotal, Kinds
from archiver.reconcile.opening import Request, Statement
from archiver.reconcile.recording import record, write_report

__all__ = [
    "Comparison",
    "DayLine",
    "Found",
    "FoundTotal",
    "Kinds",
    "Request",
    "Statement",
    "compare",
    "record",
    "write_report",
]
