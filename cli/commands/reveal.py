"""`archiver reveal`: the card secrets of one order, once."""

from typing import TYPE_CHECKING

import click

from cli.options import Call, command
from cli.people import code_of, log_alarms, reveal_alarm, watch_alarms
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console


@command(
    "reveal",
    short="Show an order's card secrets 显示卡密",
    text=(
        "Show the card secrets of one order, once. For compliance within a case only: after the "
        "approval of somebody else ([reveal] approval), with a fresh code of your phone, and no "
        "more than [reveal] daily_cap orders a day. The first call asks for the approval; the same "
        "call, once it is granted, asks for the code (on a pipe: the first line of standard input) "
        "and reveals. It is recorded before it is shown.\n\n"
        "显示一笔订单的卡密，仅此一次。仅限合规人员在案件中使用："
        "须经他人批准（[reveal] approval）、输入新的手机动态码，"
        "且每日不超过 [reveal] daily_cap 笔。"
        "首次调用提出批准请求；获批后再次调用，输入动态码（经管道时为标准输入第一行）即可显示。"
        "显示前先行记录。"
    ),
    examples=(
        "archiver reveal D2026030512000001 --case 公调证字12号",
        "archiver reveal D2026030512000001 --case 公调证字12号 --source main",
    ),
)
@click.argument("order", metavar="ORDER")
@click.option("--case", metavar="NO", help="An authority's document. 机关文书编号。")
@click.option("--purpose", metavar="TEXT", help="Why it is asked. 查询事由。")
@click.option("--source", metavar="NAME", help="Where the id stands in several. 指定数据源。")
def reveal(
    call: Call, *, order: str, case: str | None, purpose: str | None, source: str | None
) -> Report:
    """Reveal one order."""
    from archiver.lookup.answering import grounds
    from archiver.lookup.question import fact
    from archiver.reveal import Revealing
    from cli.answers import opened_room

    why = grounds(purpose, case)
    order_id = fact("order", order).value
    with opened_room(call, "reveal", why) as room:
        revealing = Revealing(
            desk=room.desk,
            session=room.session,
            why=why,
            finder=room.finder,
            config=call.config.absolute(),
        )
        revealed = revealing.reveal(order_id, source, lambda: code_of(call))
        alarms = [
            *log_alarms(call, room.desk),
            *watch_alarms(call, room.unusual),
            reveal_alarm(call, room.session.name, str(revealed.record)),
        ]
    fields = {
        "access": str(revealed.record),
        "order": {
            **{name: revealed.found.order[name] for name in ("source", "order_id", "revision")},
            "deliveries": [dict(one) for one in revealed.secrets],
        },
    }

    def show(console: "Console") -> None:
        from cli.views.secrets import show_secrets

        show_secrets(console, call, fields)

    return Report(alarms=alarms, fields=fields, show=show)
