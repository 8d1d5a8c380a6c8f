"""`archiver access`: who asked what, and whether the record of it is whole."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from archiver.errors import Exit
from cli.options import Call, command
from cli.people import desk_of, log_alarms, log_exit, session_for
from cli.report import Alarm, Report

if TYPE_CHECKING:
    from rich.console import Console


@click.group("access", short_help="Who asked what 访问日志")
def access() -> None:
    """Who asked what, when and why. 谁在何时因何事查询了什么。"""  # noqa: D415  it has its 。


@command(
    "log",
    short="Show the access log 查看访问日志",
    text=(
        "Show who asked what and why, oldest first. What was asked for stands there as keyed "
        "tokens: equal ones were the same value. Looking is recorded, too. For compliance and "
        "auditors.\n\n"
        "显示谁在何时因何事查询了什么，按时间先后排列。查询值以密钥令牌表示，相同令牌即同一查询值。"
        "查看日志本身也会被记录。供合规与审计人员使用。"
    ),
    examples=(
        "archiver access log",
        "archiver access log --operator alice --since 2026-03-01 --json",
    ),
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="DATE",
    help="From then on, local time of the archive. 起始时间（档案时区）。",
)
@click.option("--operator", "name", metavar="NAME", help="Only of this one. 仅此操作员。")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="At most so many, the newest. 最多显示最新的多少条。",
)
def log(call: Call, *, since: datetime | None, name: str | None, limit: int) -> Report:
    """Show the log, once the look at it is recorded."""
    from archiver.access_log import Outcome
    from archiver.paperwork import entry_fields

    desk, session = session_for(call, "access log")
    desk.record("access log", Outcome.DONE, session, detail=name)
    zone = desk.installation.rules.zone
    found = desk.access_log.entries(
        since=since.replace(tzinfo=zone) if since else None, operator=name, limit=limit
    )

    def show(console: "Console") -> None:
        from cli.views.people import show_log

        show_log(console, call, found, zone)

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={"entries": [entry_fields(one) for one in found]},
        show=show,
    )


@command(
    "head",
    short="Tell the log's head elsewhere 将链头写到别处",
    text=(
        "Write the head of this host's access log to [access] head_file, if it has moved. Let the "
        "host run it every ten minutes; commands that ask do it themselves when it is due. Needs "
        "no login.\n\n"
        "若有新记录，将本机访问日志的链头写入 [access] head_file。请让主机每十分钟运行一次；"
        "查询命令在到期时也会自行写入。无需登录。"
    ),
    examples=("archiver access head", "archiver access head --json"),
)
def head(call: Call) -> Report:
    """Publish the head."""
    from archiver.access_log.entry import instant
    from archiver.errors import ConfigurationError, Said

    desk = desk_of(call)
    if desk.access_log.head_file is None:
        raise ConfigurationError(
            detail=Said("[access] head_file is not set", "未设置 [access] head_file")
        )
    told = desk.access_log.publish_head()

    def show(console: "Console") -> None:
        if told is None:
            console.print(call.words("access.none"))
        else:
            console.print(
                call.words(
                    "access.head",
                    entry=f"{told.node}/{told.number}",
                    path=desk.access_log.head_file,
                )
            )

    return Report(
        fields={
            "node": desk.access_log.node,
            "number": told.number if told else None,
            "digest": told.digest if told else None,
            "at": instant(told.at) if told else None,
        },
        show=show,
    )


@command(
    "verify",
    short="Check the access log 校验访问日志",
    text=(
        "Check that no entry was cut, edited or lost in restoring an old state: each chain of the "
        "state is walked and compared with the head file and with the parts in the store. Where "
        "the base root is on this host, the parts are opened and compared, too. Needs no login and "
        "shows no entry. Findings end it with 20.\n\n"
        "校验访问日志是否被删减、改动，或被旧状态库覆盖：逐条核对状态库中的链，并与链头文件、"
        "存储中的封存段比对；本机有根密钥时还会打开封存段逐条比对。无需登录，也不显示记录内容。"
        "有发现时退出码为 20。"
    ),
    examples=(
        "archiver access verify",
        "archiver access verify --local   # without the store 不读取存储",
        "archiver access verify --json    # findings[]{code, node, number, key, message}",
    ),
)
@click.option("--local", is_flag=True, help="State and head file only. 仅核对状态库与链头文件。")
def verify(call: Call, *, local: bool) -> Report:
    """Compare the log with all that knows of it."""
    from archiver.access_log.verify import verify_access_log
    from archiver.errors import KeyUnavailableError

    desk = desk_of(call)
    archive = root = None
    if not local:
        archive = desk.installation.archive()
        # Where the root is not, the ends of the parts are compared, and the report says so.
        with suppress(KeyUnavailableError):
            root = desk.installation.base_root(archive)
    found = verify_access_log(desk.access_log, archive, root)

    def show(console: "Console") -> None:
        console.print(
            call.words(
                "access.verified",
                entries=sum(found.entries.values()),
                nodes=len(found.entries),
                heads=found.heads,
                parts=found.parts,
            )
        )
        if archive is not None and not found.opened:
            console.print(call.words("access.unopened"))
        if desk.access_log.head_file is None:
            console.print(call.words("access.no-head-file"))

    return Report(
        exit=Exit.ALARM if found.findings else Exit.DONE,
        alarms=[
            Alarm(
                code=one.code,
                message=call.words(
                    "access.finding",
                    node=one.node,
                    said=one.said.zh if call.language == "zh" else one.said.en,
                ),
            )
            for one in found.findings
        ],
        fields={
            "entries": dict(found.entries),
            "heads": found.heads,
            "parts": found.parts,
            "opened": found.opened,
            "findings": [
                {
                    "code": one.code,
                    "severity": "alarm",
                    "node": one.node,
                    "number": one.number,
                    "key": one.key,
                    "message": one.said.en,
                }
                for one in found.findings
            ],
        },
        show=show,
    )


@command(
    "seal",
    short="Seal the access log now 立即封存访问日志",
    text=(
        "Seal what the access log has gained into the store, as every night does by itself. For "
        "hosts that answer questions with a state of their own and run no night. Needs a signing "
        "key and no login.\n\n"
        "将访问日志的新增部分封存到存储；夜间任务会自动执行。供使用独立状态库、不运行夜间任务的"
        "查询主机使用。需要签名密钥，无需登录。"
    ),
    examples=("archiver access seal", "archiver access seal --json"),
)
def seal(call: Call) -> Report:
    """Seal the log's new entries."""
    from archiver.access_log.parts import seal_access_log

    desk = desk_of(call)
    made = seal_access_log(desk.installation.archive(to_seal=True), desk.access_log)
    entries = sum(part.last - part.first + 1 for part in made)

    def show(console: "Console") -> None:
        console.print(call.words("access.sealed", entries=entries, parts=len(made)))

    return Report(
        fields={
            "entries": entries,
            "parts": [
                part.model_dump(mode="json", exclude={"format", "kind", "archive", "key", "sealed"})
                for part in made
            ],
        },
        show=show,
    )


for _command in (log, verify, head, seal):
    access.add_command(_command)
