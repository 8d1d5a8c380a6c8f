"""`archiver login`, `archiver logout`: who sits here."""

from typing import TYPE_CHECKING, Any

import click

from cli.commands.nightly import instant
from cli.options import Call, command
from cli.people import code_of, desk_of, log_alarms, log_exit, password_of
from cli.report import Alarm, Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.operators import Session

FEW_CODES = 3
"""Recovery codes from which on somebody should get new ones."""


@command(
    "login",
    short="Log in as an operator 操作员登录",
    text=(
        "Begin a session with a password and a code of your phone, or a recovery code. It ends "
        "after 15 idle minutes, and after eight hours. On a pipe the password is the first line "
        "of standard input and the code the second; neither ever stands on the command line. "
        "Wrong attempts slow down further ones from the same place; a session that is held is "
        "never touched by them.\n\n"
        "使用密码和手机动态码（或恢复码）开始会话；闲置 15 分钟或满八小时后结束。经管道使用时，"
        "标准输入第一行为密码，第二行为动态码，两者都不会出现在命令行中。错误尝试只会拖慢同一来源的后续尝试，"
        "不影响已有会话。"
    ),
    examples=(
        "archiver login alice",
        "archiver login alice --json   # password and code on stdin 标准输入：密码、动态码",
    ),
)
@click.argument("name")
def login(call: Call, *, name: str) -> Report:
    """Log in and keep the token for this host's account."""
    from archiver.access_log import Outcome
    from archiver.errors import ArchiverError

    desk = desk_of(call)
    logins = desk.logins
    password, code = password_of(call), code_of(call)
    try:
        session = logins.login(name, password, code, origin=desk.place)
    except ArchiverError as error:
        # What was typed as a name may be a password: it is recorded only if it is a name.
        known = any(one.name == name for one in desk.register.all())
        about = f"{name}: {error.code}" if known else error.code
        desk.record("login", Outcome.FAILED, None, detail=about)
        raise
    try:
        desk.record("login", Outcome.DONE, session)
    except ArchiverError:
        logins.logout(session.token)  # no session without a record of its beginning
        raise
    desk.held.keep(session.name, session.token)
    left = logins.recovery_codes_left(name)
    alarms = log_alarms(call, desk)
    if left <= FEW_CODES:
        message = call.words("login.few-codes", count=left)
        alarms.append(Alarm(code="few-recovery-codes", message=message))

    def show(console: "Console") -> None:
        console.print(
            call.words(
                "login.done",
                name=session.name,
                role=call.words(f"role.{session.role}"),
                until=f"{session.ends_at.astimezone(desk.installation.rules.zone):%H:%M}",
            )
        )

    return Report(
        exit=log_exit(desk),
        alarms=alarms,
        fields={**_fields(session), "recovery_codes": left},
        show=show,
    )


@command(
    "logout",
    short="End your session 结束会话",
    text=(
        "End the session that is held here, and forget its token.\n\n结束此处的会话并删除其令牌。"
    ),
    examples=("archiver logout", "archiver logout --json"),
)
def logout(call: Call) -> Report:
    """End the session held here; without one nothing is left to do."""
    from archiver.access_log import Outcome
    from archiver.refusals import LoginNeededError

    desk = desk_of(call)
    name = None
    try:
        session = desk.session()
    except LoginNeededError:
        session = None
    if session is not None:
        name = session.name
        desk.logins.logout(session.token)
        desk.held.drop(name)
        desk.record("logout", Outcome.DONE, session)

    def show(console: "Console") -> None:
        console.print(call.words("logout.done" if name else "logout.nobody", name=name))

    return Report(
        exit=log_exit(desk), alarms=log_alarms(call, desk), fields={"operator": name}, show=show
    )


def _fields(session: "Session") -> dict[str, Any]:
    return {
        "operator": session.name,
        "role": session.role.value,
        "begun_at": instant(session.begun_at),
        "ends_at": instant(session.ends_at),
    }
