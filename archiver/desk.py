"""Where operators sit: what commands that need a person open, all of one configuration.

Responsible for joining register, sessions, approvals, access log and watch, and for the one
order of things: who is it, may he, is it written down. Reads the host's account; everything
else comes from `wiring`.
"""

import os
import pwd
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from archiver import policy
from archiver.access_log import AccessLog, AccessRecord, Entry, Outcome
from archiver.access_log.entry import place_of
from archiver.access_log.recent import Recent
from archiver.errors import ArchiverError, Said
from archiver.judging import Limits
from archiver.operators import Approvals, Logins, Register, Session
from archiver.operators.held import Held
from archiver.operators.logins import Limits as SessionLimits
from archiver.operators.passwords import STANDARD, Costs
from archiver.policy import ROLES
from archiver.refusals import NoOperatorError, NotAllowedError
from archiver.roots import create_secret_file, read_secret_file
from archiver.watch import Watch
from archiver.wiring import Installation

OPERATOR_VARIABLE: Final = "ARCHIVER_OPERATOR"
"""Whose session counts, where several people share a host's account."""
KEY_BYTES: Final = 32
T = TypeVar("T")


@dataclass(frozen=True)
class Desk:
    """One host's access to the people's part of an archive."""

    installation: Installation
    archive: str
    """The archive's id."""
    place: str
    """`account@host`: attempts are counted by it."""
    origin: str
    """The same with the SSH connection, for the access log."""
    costs: ClassVar[Costs] = STANDARD
    """Of a guess at a password."""

    @classmethod
    def at(cls, installation: Installation) -> "Desk":
        """Return the desk of a configuration; nothing but `archive.json` is read.

        Raises:
            NotInitialisedError: This host does not know the archive.
        """
        place = f"{_account()}@{socket.gethostname()}"
        connection = installation.environment.get("SSH_CLIENT", "").split()
        origin = f"{place} ssh:{connection[0]}" if connection else place
        archive = installation.anchored.archive
        return cls(installation=installation, archive=archive, place=place, origin=origin[:200])

    @cached_property
    def access_log(self) -> AccessLog:
        """This host's access log."""
        return self.installation.access_log(self.archive)

    @cached_property
    def register(self) -> Register:
        """The register of operators.

        Raises:
            NoOperatorError: There is no operator yet.
            KeyUnavailableError: There are operators, and their key is not here.
        """
        if not self.has_operators():
            raise NoOperatorError
        return self._register(self._key())

    def owners_register(self) -> Register:
        """Return the register for the owner of the configuration, making its key if it is gone.

        He makes the first operator, and gives an administrator new factors where nobody else can.

        Raises:
            NotAllowedError: This account does not own the configuration.
        """
        folder = self.installation.folder
        if os.geteuid() not in (0, folder.stat().st_uid):
            raise NotAllowedError(
                detail=Said(
                    f"this is for the owner of {folder} alone", f"此操作仅限 {folder} 的所有者"
                )
            )
        path = self.installation.operators_key
        if not path.exists():
            create_secret_file(path, "operators", self.archive, os.urandom(KEY_BYTES))
        return self._register(self._key())

    def has_operators(self) -> bool:
        """Tell whether the first operator was made."""
        return not self._register(b"").is_empty()

    @cached_property
    def logins(self) -> Logins:
        """Logins and sessions; raises what `register` raises."""
        section = self.installation.configuration.operators
        limits = SessionLimits(
            idle=timedelta(minutes=section.session_idle_minutes),
            whole=timedelta(hours=section.session_hours),
        )
        return Logins(register=self.register, limits=limits)

    @cached_property
    def approvals(self) -> Approvals:
        """What takes two."""
        return Approvals(state=self.installation.state, clock=self.installation.clock)

    @cached_property
    def watch(self) -> Watch:
        """Who asks too much."""
        section = self.installation.configuration.watch
        return Watch(
            state=self.installation.state,
            log=self.access_log,
            clock=self.installation.clock,
            limits=Limits(**section.model_dump()),
        )

    @cached_property
    def held(self) -> Held:
        """What this host's account holds of sessions."""
        return Held(folder=_state_home(self.installation), archive=self.archive)

    def remembering(self) -> "Desk":
        """Return this desk with the last week of the access log in memory: for who asks often."""
        desk = replace(self)
        recent = Recent(self.installation.state)
        desk.__dict__["access_log"] = replace(self.access_log, recent=recent)
        return desk

    def seen_from(self, origin: str) -> "Desk":
        """Return this desk as somebody at another place uses it: over HTTP, for instance.

        What is opened already is shared; alarms of the access log are each desk's own.
        """
        desk = replace(self, place=place_of(origin), origin=origin[:200])
        log = self.access_log
        mine = replace(log, alarms=[])
        shared = {"register", "logins", "approvals"} & set(self.__dict__)
        desk.__dict__.update({name: self.__dict__[name] for name in shared})
        desk.__dict__.update(access_log=mine, watch=replace(self.watch, log=mine))
        return desk

    def session(self) -> Session:
        """Return the session that is held here.

        Raises:
            LoginNeededError: Nobody is logged in, or not any more.
        """
        name = self.installation.environment.get(OPERATOR_VARIABLE)
        logins = self.logins
        return logins.session(self.held.token(name))

    def require(
        self, command: str, *, purpose: str | None = None, case: str | None = None
    ) -> Session:
        """Return the session of an operator who may use a command; a denial is recorded.

        Args:
            command: As in `archiver.policy.COMMANDS`.
            purpose: Why, as far as he says so.
            case: For which case.

        Raises:
            LoginNeededError: Nobody is logged in.
            NotAllowedError: His role does not use it.
            AccessLogUnwritableError: The denial cannot be recorded.
        """
        session = self.session()
        self.require_role(session, command, purpose=purpose, case=case)
        return session

    def require_role(
        self,
        session: Session,
        command: str,
        *,
        purpose: str | None = None,
        case: str | None = None,
    ) -> None:
        """Refuse a command that is not for an operator's role; the denial is recorded.

        Arguments as for `require`.

        Raises:
            NotAllowedError: His role does not use it.
            AccessLogUnwritableError: The denial cannot be recorded.
        """
        if not policy.may_run(session.role, command):
            said = Said(
                f"{command} is not for the role {session.role}",
                f"{ROLES[session.role].zh}角色不能使用 {command}",
            )
            self.record(command, Outcome.DENIED, session, purpose=purpose, case=case, detail="role")
            raise NotAllowedError(detail=said)

    def confirmed(self, command: str, session: Session, code: Callable[[], str]) -> Session:
        """Return the session of somebody who has just shown that it is he, if a command takes that.

        Args:
            command: As in `archiver.policy.FRESH`; of any other one nothing is asked.
            session: His.
            code: Asks for a code of his phone; not called while the last one is fresh.

        Raises:
            CodeRefusedError: It is wrong, old or used; that is recorded.
            LoginDelayedError: Too many wrong attempts; that is recorded, too.
        """
        if command not in policy.FRESH or session.is_fresh(self.installation.clock.now()):
            return session
        try:
            return self.logins.confirm(session, code())
        except ArchiverError as error:
            self.record(command, Outcome.FAILED, session, detail=error.code)
            raise

    def record(
        self,
        command: str,
        outcome: Outcome,
        session: Session | None,
        *,
        purpose: str | None = None,
        case: str | None = None,
        detail: str | None = None,
        approval: int | None = None,
    ) -> AccessRecord:
        """Record an act or a denial of an operator, or of the host's account where there is none.

        Questions about orders bring more and are recorded with `access_log.record`.
        """
        return self.access_log.record(
            Entry(
                command=command,
                outcome=outcome,
                operator=None if session is None else session.name,
                role=None if session is None else session.role.value,
                origin=self.origin,
                purpose=purpose,
                case=case,
                detail=detail,
                approval=approval,
            )
        )

    def acting(
        self,
        command: str,
        session: Session | None,
        act: Callable[[], T],
        *,
        about: str,
        approval: int | None = None,
    ) -> T:
        """Do something once it is written down; that it failed is written down, too.

        Args:
            command: What is done.
            session: By whom.
            act: Does it.
            about: To whom or what: a name or a number.
            approval: The request that it concerns.
        """
        self.record(command, Outcome.DONE, session, detail=about, approval=approval)
        try:
            return act()
        except ArchiverError as error:
            self.record(
                command, Outcome.FAILED, session, detail=f"{about}: {error.code}", approval=approval
            )
            raise

    def _register(self, key: bytes) -> Register:
        return Register(
            state=self.installation.state,
            clock=self.installation.clock,
            archive=self.installation.configuration.archive.name,
            key=key,
            costs=self.costs,
        )

    def _key(self) -> bytes:
        return read_secret_file(self.installation.operators_key, "operators", self.archive)


def _account() -> str:
    """Return the host account's name: by its number, which no variable can change."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def _state_home(installation: Installation) -> Path:
    """Return where this account keeps what it holds (XDG Base Directory Specification)."""
    given = installation.environment.get("XDG_STATE_HOME")
    if given and Path(given).is_absolute():
        return Path(given) / "archiver"
    home = installation.environment.get("HOME")
    if home and Path(home).is_absolute():
        return Path(home) / ".local" / "state" / "archiver"
    return installation.folder / "sessions"
