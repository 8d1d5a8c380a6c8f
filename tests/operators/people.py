"""Operators for tests: on a state file of their own, with passwords that cost little."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import pyotp

from archiver.operators import Enrolment, Logins, Register, Session
from archiver.operators.passwords import Costs
from archiver.policy import Role
from archiver.state import State, open_state
from tests.clock import FrozenClock

CHEAP: Final = Costs(iterations=1, memory_kib=8, lanes=1)
PASSWORD: Final = "correct horse battery staple"
KEY: Final = b"k" * 32


def code(secret: str, clock: FrozenClock) -> str:
    """Return what the operator's phone shows."""
    return pyotp.TOTP(secret).at(clock.now())


@dataclass(slots=True)
class People:
    """An archive's operators and their phones."""

    folder: Path
    clock: FrozenClock = field(default_factory=FrozenClock)
    key: bytes = KEY
    enrolled: dict[str, Enrolment] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The state, opened anew as another process does."""
        return open_state("sqlite:///state.db", self.folder)

    @property
    def register(self) -> Register:
        """The register."""
        return Register(
            state=self.state, clock=self.clock, archive="shop-1", key=self.key, costs=CHEAP
        )

    @property
    def logins(self) -> Logins:
        """Logins."""
        return Logins(register=self.register)

    def add(self, name: str, role: Role) -> Enrolment:
        """Add an operator; the first one makes himself, `root` adds the others."""
        by = "root" if self.enrolled else None
        self.enrolled[name] = self.register.add(name, role, PASSWORD, by=by)
        return self.enrolled[name]

    def code(self, name: str) -> str:
        """Return what an operator's phone shows."""
        return code(self.enrolled[name].secret, self.clock)

    def login(self, name: str, origin: str = "user:desk") -> Session:
        """Log in with a fresh code."""
        self.clock.advance(timedelta(seconds=30))
        return self.logins.login(name, PASSWORD, self.code(name), origin=origin)
