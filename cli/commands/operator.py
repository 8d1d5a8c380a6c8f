"""`archiver operator`: who may use the archive, and in which role."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from archiver.errors import RequestError, Said
from cli.options import Call, command
from cli.people import (
    code_of,
    desk_of,
    fresh,
    interactive,
    log_alarms,
    log_exit,
    new_password_of,
    session_for,
)
from cli.report import Alarm, Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.desk import Desk
    from archiver.operators import Enrolment

ROLES = ("support", "compliance", "auditor", "custodian", "administrator")
TRIES = 3


@click.group("operator", short_help="Who may use the archive 操作员管理")
def operator() -> None:
    """Who may use the archive, and in which role. 操作员及其角色。"""  # noqa: D415  it has its 。


@command(
    "add",
    short="Add an operator 添加操作员",
    text=(
        "Add an operator: password, code of a phone (a QR code to scan), recovery codes on paper. "
        "The new operator types the password himself; on a pipe it is the first line of standard "
        "input. The first operator is an administrator and is made on the host by whoever owns the "
        "configuration; after that it takes an administrator's session, and a code of his phone "
        "where the last is older than five minutes (on a pipe: the line behind the password).\n\n"
        "添加操作员：密码、手机动态码（扫描二维码）、纸质恢复码。密码由新操作员本人输入；经管道使用时为标准"
        "输入第一行。首位操作员必须是管理员，由配置文件的所有者在本机创建；此后须由管理员登录后添加，"
        "距其上次输入动态码超过五分钟时须再次输入（经管道使用时为密码之后的一行）。"
    ),
    examples=(
        "archiver operator add root --role administrator",
        "archiver operator add alice --role support",
        "archiver operator add carol --role compliance --json   # password on stdin 标准输入：密码",
    ),
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="What he is here for. 角色：客服、合规、审计、保管、管理员。",
)
def add(call: Call, *, name: str, role: str) -> Report:
    """Add an operator and show once what nobody can read again."""
    from archiver.policy import Role

    desk = desk_of(call)
    if desk.has_operators():
        session = desk.require("operator add")
        register, by = desk.register, session.name
    else:
        session, by = None, None
        register = desk.owners_register()
    if session is not None and interactive():  # his own code, before the new one sits down
        fresh(call, desk, session, "operator add")
    password = new_password_of(call, name)
    wanted = Role(role)
    register.require_addable(name, wanted, password, by)
    if session is not None:
        session = fresh(call, desk, session, "operator add")
    made = desk.acting(
        "operator add",
        session,
        lambda: register.add(name, wanted, password, by=by),
        about=f"{name} ({role})",
    )
    return _told_of(call, _enrolled(call, desk, made), made, by)


@command(
    "reset",
    short="Give new factors 重置密码与动态码",
    text=(
        "Give an operator a new password, a new secret for his phone and new recovery codes; the "
        "old ones and his sessions end at once. For a lost phone. Where no administrator can "
        "log in any more, the owner of the configuration may reset one (--by-owner): that is "
        "recorded and an alarm. Takes a fresh code like operator add.\n\n"
        "为操作员重新设置密码、手机密钥与恢复码；旧的凭据和会话立即失效。用于手机丢失等情形。"
        "若已没有管理员能够登录，配置文件的所有者可用 --by-owner 重置一位管理员，"
        "该操作会被记录并告警。与 operator add 一样需要新的动态码。"
    ),
    examples=(
        "archiver operator reset alice",
        "archiver operator reset root --by-owner",
        "archiver operator reset alice --json   # password on stdin 标准输入：密码",
    ),
)
@click.argument("name")
@click.option(
    "--by-owner",
    is_flag=True,
    help="Without a login, by the owner of the configuration; administrators only. "
    "无需登录，由配置文件的所有者执行；仅限管理员。",
)
def reset(call: Call, *, name: str, by_owner: bool) -> Report:
    """Replace an operator's factors."""
    from archiver.policy import Role

    if by_owner:
        desk, session = desk_of(call), None
        register = desk.owners_register()
        if register.find(name).role is not Role.ADMINISTRATOR:
            raise RequestError(
                detail=Said(
                    f"{name} is no administrator; an administrator resets the others",
                    f"{name} 不是管理员；其他操作员由管理员重置",
                )
            )
    else:
        desk = desk_of(call)
        session = desk.require("operator reset")
        register = desk.register
        register.find(name)
        if interactive():  # his own code, before the other one sits down
            fresh(call, desk, session, "operator reset")
    password = new_password_of(call, name)
    if session is not None:
        session = fresh(call, desk, session, "operator reset")
    made = desk.acting(
        "operator reset", session, lambda: register.reset(name, password), about=name
    )
    report = _enrolled(call, desk, made)
    if session is not None:
        return _told_of(call, report, made, session.name)
    told = Alarm(code="access-by-owner", message=call.words("operator.by-owner", name=name))
    return replace(report, alarms=[*report.alarms, told])


@command(
    "disable",
    short="Disable an operator 停用操作员",
    text=(
        "Disable an operator for good. His sessions end at once, and what he granted no longer "
        "counts. His name is never given again.\n\n"
        "永久停用操作员：其会话立即结束，其批准不再有效，其名称不再使用。"
    ),
    examples=("archiver operator disable alice", "archiver operator disable alice --json"),
)
@click.argument("name")
def disable(call: Call, *, name: str) -> Report:
    """Disable an operator."""
    from archiver.paperwork import operator_fields

    desk, session = session_for(call, "operator disable")
    desk.register.find(name)
    left = desk.acting("operator disable", session, lambda: desk.register.disable(name), about=name)

    def show(console: "Console") -> None:
        console.print(call.words("operator.disabled", name=left.name))

    return Report(
        exit=log_exit(desk), alarms=log_alarms(call, desk), fields=operator_fields(left), show=show
    )


@command(
    "list",
    short="List operators 列出操作员",
    text=(
        "List operators with role, maker and state. For administrators, auditors and "
        "compliance.\n\n列出操作员及其角色、创建者与状态。供管理员、审计与合规人员使用。"
    ),
    examples=("archiver operator list", "archiver operator list --json"),
)
def list_operators(call: Call) -> Report:
    """List operators."""
    from archiver.access_log import Outcome
    from archiver.paperwork import block_fields, operator_fields
    from archiver.watch import release_words

    desk, session = session_for(call, "operator list")
    desk.record("operator list", Outcome.DONE, session)
    found = desk.register.all()
    blocks = desk.watch.blocks()
    alarms = [
        Alarm(
            code="block-stands",
            message=call.words(
                "operator.blocked",
                subject=one.subject,
                since=f"{one.since.astimezone(desk.installation.rules.zone):%m-%d %H:%M}",
                why=one.said.zh if call.language == "zh" else one.said.en,
            ),
            next=call.next(f"archiver operator release {release_words(one.subject)}"),
        )
        for one in blocks
    ]

    def show(console: "Console") -> None:
        from cli.views.people import show_operators

        show_operators(console, call, found, desk.installation.rules.zone)

    return Report(
        exit=log_exit(desk),
        alarms=[*alarms, *log_alarms(call, desk)],
        fields={
            "operators": [operator_fields(one) for one in found],
            "blocked": [block_fields(one) for one in blocks],
        },
        show=show,
    )


@command(
    "release",
    short="Lift a block of the watch 解除阻止",
    text=(
        "Lift the block of an operator or a place that asked for too much. What was counted before "
        "counts no more. For compliance; nobody releases himself.\n\n"
        "解除因查询过多而对操作员或来源的阻止；此前的计数不再计算。供合规人员使用，任何人都不得解除对"
        "自己的阻止。"
    ),
    examples=(
        "archiver operator release alice",
        "archiver operator release --place clerk@desk-1",
        "archiver operator release --subject token:shop",
    ),
)
@click.argument("name", required=False)
@click.option("--place", metavar="PLACE", help="A place instead of a person. 来源，而非操作员。")
@click.option(
    "--subject",
    metavar="SUBJECT",
    help="A network or a token, as `operator list` names it. 网段或令牌，见 operator list。",
)
def release(call: Call, *, name: str | None, place: str | None, subject: str | None) -> Report:
    """Lift a block."""
    desk, session = session_for(call, "operator release")
    given = [
        *([f"operator:{name}"] if name is not None else ()),
        *([f"place:{place}"] if place is not None else ()),
        *([subject] if subject is not None else ()),
    ]
    if len(given) != 1:
        raise RequestError(
            detail=Said(
                "give a name, --place or --subject, one of them",
                "请给出操作员名称、--place 或 --subject 之一",
            )
        )
    (subject,) = given
    desk.acting(
        "operator release", session, lambda: desk.watch.release(subject, session), about=subject
    )

    def show(console: "Console") -> None:
        console.print(call.words("operator.released", subject=subject), markup=False)

    return Report(
        exit=log_exit(desk), alarms=log_alarms(call, desk), fields={"released": subject}, show=show
    )


for _command in (add, list_operators, disable, reset, release):
    operator.add_command(_command)


def _enrolled(call: Call, desk: "Desk", made: "Enrolment") -> Report:
    from archiver.paperwork import operator_fields
    from cli.screen import console_on
    from cli.views.people import show_enrolment

    shown = interactive() and not call.as_json
    if shown:
        show_enrolment(console_on(sys.stdout), call, made)
        _require_phone(call, desk, made)

    def show(console: "Console") -> None:
        if not shown:
            show_enrolment(console, call, made)
        console.print(call.words("operator.enrolled", name=made.operator.name))

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={
            **operator_fields(made.operator),
            "totp_secret": made.secret,
            "otpauth": made.uri,
            "recovery_codes": list(made.recovery_codes),
        },
        show=show,
    )


def _told_of(call: Call, report: Report, made: "Enrolment", by: str | None) -> Report:
    """Return the report with its alarm: whoever gives somebody factors could have kept them."""
    if by is None:  # the first operator: nobody is there to hear of it
        return report
    role = call.words(f"role.{made.operator.role}")
    message = call.words("operator.given", name=made.operator.name, role=role, by=by)
    told = Alarm(code="access-given", message=message, next=call.next("archiver operator list"))
    return replace(report, alarms=[*report.alarms, told])


def _require_phone(call: Call, desk: "Desk", made: "Enrolment") -> None:
    """Let the new operator show that his phone has the secret; nothing is used up by it."""
    from archiver.operators.codes import matching_step

    for _ in range(TRIES):
        now = desk.installation.clock.now()
        if matching_step(made.secret, code_of(call), now, 0) is not None:
            return
        click.echo(call.words("operator.wrong-code"), err=True)
    name = made.operator.name
    raise RequestError(
        detail=Said(
            "the phone shows other codes; compare the clocks, then: "
            f"archiver operator reset {name}",
            f"手机显示的动态码不符；请核对时钟，然后执行：archiver operator reset {name}",
        )
    )
