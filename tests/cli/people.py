"""Operators at a terminal of a test: their passwords, and phones whose clocks tests set."""

import sqlite3
import time
from dataclasses import dataclass, field
from typing import Final

import pyotp

from tests.cli.conftest import Ran, Terminal

PASSWORD: Final = "correct horse battery staple"


@dataclass(slots=True)
class Office:
    """The operators of a terminal's archive."""

    terminal: Terminal
    secrets: dict[str, str] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    """How far ahead a phone's next code is: each code works once."""

    def add(self, name: str, role: str) -> Ran:
        """Add an operator, under the session that is held."""
        arguments = ("operator", "add", name, "--role", role)
        ran = self.terminal.json(*arguments, stdin=f"{PASSWORD}\n")
        if ran.exit == 0:
            self.secrets[name] = ran.document["totp_secret"]
        return ran

    def code(self, name: str) -> str:
        """Return a code that was not used before: of now, or of the next half minute."""
        totp = pyotp.TOTP(self.secrets[name])
        step = max(int(time.time()) // 30, self.steps.get(name, 0) + 1)
        self.steps[name] = step
        return totp.generate_otp(step)

    def login(self, name: str) -> Ran:
        """Log in; at most twice in half a minute."""
        return self.terminal.json("login", name, stdin=f"{PASSWORD}\n{self.code(name)}\n")

    def grow_stale(self, by: int = 360) -> None:
        """Let everybody's last code be so many seconds older."""
        update = f"UPDATE operator_sessions SET confirmed_at = confirmed_at - {by * 1_000_000}"
        with sqlite3.connect(self.terminal.folder / "state.db") as connection:
            connection.execute(update)
        connection.close()
