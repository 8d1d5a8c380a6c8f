"""Tells the ledger's head to those who can bear witness to it, and keeps what they answer.

Called after each new checkpoint, and by each night even without one. Nothing waits for a witness
or an authority: one that is down, refuses or lies makes a holding with a reason; only what proves
that the ledger is not the one that was told before is an alarm at once.
"""

from archiver.spreading.spread import Circle, Log, Spread, remembered, spread
from archiver.spreading.stamps import Stamps
from archiver.spreading.tellings import Holding

__all__ = ["Circle", "Holding", "Log", "Spread", "Stamps", "remembered", "spread"]
