"""The demonstration's people: they find an order, are refused its secret, and see it properly.

They do what operators do on the command line, by the same way: sessions, the local index, masks,
approval, a fresh code, the revealing process, the access log. Their phones are this program's, and
whoever goes on in the demonstration's console finds what they know and hold in `LOGINS`.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pyotp

from archiver.access_log import Outcome
from archiver.access_log.entry import Chained
from archiver.desk import OPERATOR_VARIABLE, Desk
from archiver.errors import ArchiverError
from archiver.lookup.answering import Answered, Grounds
from archiver.lookup.exporting import write_new
from archiver.lookup.question import Question, fact
from archiver.operators import Enrolment, Session
from archiver.operators.codes import STEP_SECONDS
from archiver.policy import Role
from archiver.ports import Progress
from archiver.proving import proving_in
from archiver.reading_room import ReadingRoom, reading_room
from archiver.reveal import Revealed, Revealing
from archiver.wiring import Installation

STAFF: Final[Mapping[str, Role]] = {
    "root": Role.ADMINISTRATOR,
    "sue": Role.SUPPORT,
    "carol": Role.COMPLIANCE,
    "dora": Role.COMPLIANCE,
}
LOGINS: Final = "logins.txt"
"""In the demonstration's folder, for its owner alone: nobody else is ever to log in there."""
_INTRODUCED: Final = """\
The log-ins of this demonstration; a real archive keeps none of this anywhere.
As the code, type one of the recovery codes (each logs in once), or add the otpauth address to an
authenticator app: showing a card secret takes a code of the app.
本演示的登录信息；真实的档案库不会在任何地方保存这些内容。
登录时的动态码可填写一个恢复码（每个仅可使用一次），也可将 otpauth 地址添加到验证器应用；
查看卡密须使用应用的动态码。
"""
CASE: Final = "示例〔2026〕1号"
PURPOSE: Final = "售后"


@dataclass(slots=True)
class Office:
    """The operators of the demonstration's archive."""

    installation: Installation
    progress: Progress
    desk: Desk = field(init=False)
    _phones: dict[str, pyotp.TOTP] = field(default_factory=dict, repr=False)
    _steps: dict[str, int] = field(default_factory=dict)
    _sessions: dict[str, Session] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Take a seat."""
        self.desk = Desk.at(self.installation)

    def open(self) -> None:
        """Add the operators, each by the administrator, and let each log in."""
        register, told = self.desk.owners_register(), [_INTRODUCED]
        for name, role in STAFF.items():
            password = secrets.token_urlsafe(16)
            by = None if role is Role.ADMINISTRATOR else "root"
            enrolment = register.add(name, role, password, by=by)
            told.append(_login(enrolment, password))
            self._phones[name] = pyotp.TOTP(enrolment.secret, interval=STEP_SECONDS)
            session = self.desk.logins.login(
                name, password, self.code(name), origin=self.desk.place
            )
            Desk.at(self._as(name)).held.keep(name, session.token)
            self.desk.record("login", Outcome.DONE, session)
            self._sessions[name] = session
        write_new(self.installation.folder / LOGINS, "\n".join(told).encode())

    def code(self, name: str) -> str:
        """Return what an operator's phone shows, a code that was not used yet.

        The second one of half a minute is the next one's, which is taken early. The first one must
        not be an old one: it would be too old where a password takes long to check.
        """
        now = int(self.installation.clock.now().timestamp()) // STEP_SECONDS
        step = max(now, self._steps.get(name, 0) + 1)
        self._steps[name] = step
        return self._phones[name].generate_otp(step)

    def find(self, payment_no: str) -> Answered:
        """Let support find an order by its payment number."""
        with self._room("sue", "find", Grounds(purpose=PURPOSE)) as room:
            return room.answering.find(Question(facts=[fact("payment", payment_no)]))

    def revisions(self, order_id: str, count: int) -> Iterator[Answered]:
        """Let support look at each revision of an order."""
        with self._room("sue", "show", Grounds(purpose=PURPOSE)) as room:
            for revision in range(1, count + 1):
                yield room.answering.show("show", fact("order", order_id), None, revision)

    def reveal(self, name: str, order_id: str) -> Revealed | ArchiverError:
        """Let somebody ask for an order's card secrets; return them, or what he is told."""
        try:
            with self._room(name, "reveal", Grounds(case=CASE)) as room:
                revealing = Revealing(
                    desk=room.desk,
                    session=room.session,
                    why=Grounds(case=CASE),
                    finder=room.finder,
                    config=self.installation.folder / "archiver.toml",
                )
                return revealing.reveal(order_id, None, lambda: self.code(name))
        except ArchiverError as refused:
            return refused

    def approve(self, name: str) -> int:
        """Let somebody grant the request that waits; return its number."""
        (request,) = self.desk.approvals.all()
        session = self._sessions[name]
        self.desk.acting(
            "approve",
            session,
            lambda: self.desk.approvals.decide(request.number, session, granted=True),
            about="granted reveal",
            approval=request.number,
        )
        return request.number

    def prove(self, name: str, order_id: str, path: Path) -> None:
        """Let somebody prove an order to a stranger, without its buyer, in a file."""
        with self._room(name, "prove", Grounds(case=CASE)) as room:
            answered = room.answering.show("prove", fact("order", order_id), None)
            gathered = proving_in(room, self.progress).gather(answered.orders[0])
            write_new(path, gathered.written({"buyer", "secret"}))

    def log(self) -> list[Chained]:
        """Return the access log."""
        return self.desk.access_log.entries()

    def _room(self, name: str, command: str, why: Grounds) -> AbstractContextManager[ReadingRoom]:
        return reading_room(self._as(name), command, why, self.progress)

    def _as(self, name: str) -> Installation:
        """Return the installation as an operator's terminal has it: his session is held there."""
        environment = {
            **self.installation.environment,
            "XDG_STATE_HOME": str(self.installation.folder / "sessions"),
            OPERATOR_VARIABLE: name,
        }
        return replace(self.installation, environment=environment)


def _login(enrolment: Enrolment, password: str) -> str:
    codes = "  ".join(enrolment.recovery_codes[:5])
    return (
        f"{enrolment.operator.name} · {enrolment.operator.role}\n"
        f"  password 密码    {password}\n"
        f"  recovery 恢复码  {codes}\n"
        f"  app 验证器       {enrolment.uri}\n"
    )
