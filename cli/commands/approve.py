"""`archiver approvals`, `archiver approve`: what takes two people."""

from typing import TYPE_CHECKING

import click

from cli.options import Call, command
from cli.people import log_alarms, log_exit, session_for
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console


@command(
    "approvals",
    short="List requests that wait 列出待批准的请求",
    text=(
        "List requests that wait for somebody's approval; with --all also those that were decided, "
        "used or have expired.\n\n"
        "列出等待批准的请求；加 --all 时也列出已决定、已使用或已过期的请求。"
    ),
    examples=("archiver approvals", "archiver approvals --all --json"),
)
@click.option(
    "--all", "everything", is_flag=True, help="Also those that wait no more. 包括已处理的请求。"
)
def approvals(call: Call, *, everything: bool) -> Report:
    """List requests."""
    from archiver.access_log import Outcome
    from archiver.paperwork import approval_fields

    desk, session = session_for(call, "approvals")
    desk.record("approvals", Outcome.DONE, session)
    found = desk.approvals.all(waiting=not everything)

    def show(console: "Console") -> None:
        from cli.views.people import show_approvals

        show_approvals(console, call, found, desk.installation.rules.zone)

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={"approvals": [approval_fields(one) for one in found]},
        show=show,
    )


@command(
    "approve",
    short="Grant or refuse a request 批准或拒绝请求",
    text=(
        "Grant the request of somebody else, or refuse it. Nobody decides on his own request, and "
        "only roles that may decide on this kind do. An approval holds for exactly what was asked, "
        "for whoever asked, until it is used or expires. Takes a code of your phone where the last "
        "is older than five minutes (on a pipe: the first line of standard input).\n\n"
        "批准或拒绝他人的请求。任何人都不得批准自己的请求，且仅限有权角色。批准仅对所请求的事项、"
        "仅对请求人有效，使用后或到期即失效。距上次输入动态码超过五分钟时须再次输入"
        "（经管道使用时为标准输入第一行）。"
    ),
    examples=("archiver approve 7", "archiver approve 7 --refuse"),
)
@click.argument("number", type=click.IntRange(1))
@click.option("--refuse", is_flag=True, help="Refuse it. 拒绝该请求。")
def approve(call: Call, *, number: int, refuse: bool) -> Report:
    """Decide on a request."""
    from archiver.paperwork import approval_fields

    desk, session = session_for(call, "approve")
    kind = desk.approvals.find(number).kind
    decided = desk.acting(
        "approve",
        session,
        lambda: desk.approvals.decide(number, session, granted=not refuse),
        about=f"{'refused' if refuse else 'granted'} {kind}",
        approval=number,
    )

    def show(console: "Console") -> None:
        from cli.views.people import show_approvals

        console.print(call.words("approve.refused" if refuse else "approve.granted", number=number))
        show_approvals(console, call, [decided], desk.installation.rules.zone)

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields=approval_fields(decided),
        show=show,
    )
