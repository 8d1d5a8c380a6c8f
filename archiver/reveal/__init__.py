"""Showing a card secret: one order, one use, after a second verification, in a process of its own.

Responsible for the one narrow path to the reveal key (DESIGN 3.11). `asking` decides and records
in the process that an operator talks to, which never holds the reveal key; `child` opens the
reveal root in a process that lives for one order and shows nothing by itself.
"""

from archiver.reveal.asking import Revealed, Revealing
from archiver.reveal.process import RevealFailedError

__all__ = ["RevealFailedError", "Revealed", "Revealing"]
"""What the command needs."""
