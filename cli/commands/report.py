"""`archiver report`: what a merchant sold in a quarter."""

from typing import TYPE_CHECKING, Any

import click

from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

AMOUNTS = ("count", "gross", "refunds", "net")


@command(
    "report",
    short="What a merchant sold 商户销售汇总",
    text=(
        "Show what a merchant sold in a quarter: gross, refunds, net and the number of orders, by "
        "month, for the tax office. No buyer is read or shown. For compliance and auditors; "
        "recorded before it is shown.\n\n"
        "按月汇总商户一个季度的销售：总额、退款、净额与订单数，供税务使用。不读取也不显示任何买家信息。"
        "限合规与审计人员使用，显示前先行记录。"
    ),
    examples=(
        "archiver report --merchant 10086 --quarter 2026Q1 --purpose 税务报送",
        "archiver report --merchant 卡盟一号 --quarter 2026Q1 --case 税通〔2026〕3号 --json",
    ),
)
@click.option("--merchant", required=True, metavar="TEXT", help="Its id or name. 商户编号或名称。")
@click.option("--quarter", required=True, metavar="YYYYQN", help="E.g. 2026Q1. 如 2026Q1。")
@click.option("--purpose", metavar="TEXT", help="Why it is asked. 查询事由。")
@click.option("--case", metavar="NO", help="An authority's document. 机关文书编号。")
def report(
    call: Call, *, merchant: str, quarter: str, purpose: str | None, case: str | None
) -> Report:
    """Sum up."""
    from archiver.lookup.answering import grounds
    from archiver.lookup.question import fact
    from archiver.lookup.reporting import quarter as quarter_of
    from archiver.lookup.reporting import sales_fields
    from archiver.lookup.shown import instant
    from cli.answers import opened_room
    from cli.people import log_alarms, watch_alarms

    why = grounds(purpose, case)
    asked = fact("merchant", merchant)
    with opened_room(call, "report", why) as room:
        start, end = quarter_of(quarter, room.archive.rules.zone)
        record, made = room.answering.report(asked, (start, end), room.progress)
        alarms = [*log_alarms(call, room.desk), *watch_alarms(call, room.unusual)]
    fields: dict[str, Any] = {
        "access": str(record),
        "merchant": asked.value,
        "from": instant(start),
        "until": instant(end),
        **sales_fields(made),
    }

    def show(console: "Console") -> None:
        from cli.views.sales import show_sales

        show_sales(console, call, fields, quarter)

    return Report(alarms=alarms, fields=fields, show=show)
