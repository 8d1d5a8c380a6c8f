"""How far a soak is, and what it has counted, for whoever waits."""

import time
from collections import Counter
from typing import Final, TextIO

BETWEEN_LINES_S: Final = 10
"""Where nobody looks at a terminal, a line of progress comes this often."""


class Progress:
    """Shows how far it is: over and over on one line of a terminal, now and then elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.started = self.told = time.monotonic()

    def show(self, text: str, *, last: bool = False) -> None:
        """Show it, if it is time to."""
        now = time.monotonic()
        if self.out.isatty():
            self.out.write(f"\r\x1b[K{text}" + "\n" * last)
        elif last or now - self.told > BETWEEN_LINES_S:
            self.told = now
            self.out.write(f"{text}\n")
        self.out.flush()


def listed(counted: Counter[str]) -> str:
    """Return counts by kind, the most frequent first."""
    return "(" + ", ".join(f"{kind} {count:,}" for kind, count in counted.most_common()) + ")"
