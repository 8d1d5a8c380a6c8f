"""`archiver show`, `why`, `diagnose`: one order, looked at in three ways."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.lookup.answering import Answered
    from archiver.reading_room import ReadingRoom


def _order_options(function: Callable[..., Report]) -> Callable[..., Report]:
    """Add what the three commands take."""
    for option in (
        click.option("--case", metavar="NO", help="An authority's document. 机关文书编号。"),
        click.option("--purpose", metavar="TEXT", help="Why it is asked. 查询事由。"),
        click.option(
            "--revision",
            type=click.IntRange(min=1),
            metavar="N",
            help="Another revision than the latest. 指定修订，默认为最新。",
        ),
        click.option(
            "--source", metavar="NAME", help="Where the id stands in several. 指定数据源。"
        ),
        click.argument("order", metavar="ORDER"),
    ):
        function = option(function)
    return function


@command(
    "show",
    short="An order's whole story 订单档案",
    text=(
        "Show everything that is archived of an order: how it went, payments, deliveries, "
        "after-sales, where it came from. Masked by role; of card secrets only hints. Needs a "
        "login; recorded before it is shown.\n\n"
        "显示一笔订单的全部归档内容：进程、支付、发货、售后与来源。按角色脱敏，卡密仅显示提示。"
        "须先登录，显示前先行记录。"
    ),
    examples=(
        "archiver show D2026030512000001 --purpose 售后",
        "archiver show D2026030512000001 --revision 1 --purpose 售后",
        "archiver show D2026030512000001 --source main --case 公调证字12号 --json",
    ),
)
@_order_options
def show(call: Call, /, **asked: Any) -> Report:  # noqa: ANN401  passed on as they are
    """Show the dossier."""
    report, fields = _answer(call, "show", asked)

    def view(console: "Console") -> None:
        from cli.views.dossier import show_dossier
        from cli.views.found import show_absence

        if fields["order"]:
            show_dossier(console, call, fields["order"])
        show_absence(console, call, fields)

    return replace(report, show=view)


@command(
    "why",
    short="Why it is kept until when 保存期限依据",
    text=(
        "Show until when an order must be kept, by which articles, and the arithmetic step by "
        "step.\n\n"
        "显示订单须保存至何时、依据的法律条文及逐步推算过程。"
    ),
    examples=("archiver why D2026030512000001 --purpose 核对保存期限",),
)
@_order_options
def why(call: Call, /, **asked: Any) -> Report:  # noqa: ANN401
    """Show the period."""
    from archiver.lookup.telling import period_fields
    from archiver.reading_room import period_at

    def more(room: "ReadingRoom", answered: "Answered") -> dict[str, Any]:
        return {"period": period_fields(period_at(room.archive, answered.orders[0]), call.language)}

    report, fields = _answer(call, "why", asked, more)

    def view(console: "Console") -> None:
        from cli.views.found import show_absence
        from cli.views.period import show_period

        if fields["order"]:
            show_period(console, call, fields["order"], fields["period"])
        show_absence(console, call, fields)

    return replace(report, show=view)


@command(
    "diagnose",
    short="What is odd about an order 订单诊断",
    text=(
        "Show what is odd about an order (paid but not received, delivered before paid, fewer "
        "cards than bought, a placeholder, a refund without payment) and what to check next.\n\n"
        "显示订单的异常之处（已付款未收到、先发货后付款、卡密数量不足、缺货占位、无付款的退款）"
        "以及下一步核查事项。"
    ),
    examples=("archiver diagnose D2026030512000001 --purpose 买家投诉",),
)
@_order_options
def diagnose(call: Call, /, **asked: Any) -> Report:  # noqa: ANN401
    """Show findings."""
    from archiver.lookup.diagnosis import diagnose as findings_of

    def more(_room: "ReadingRoom", answered: "Answered") -> dict[str, Any]:
        (found,) = answered.orders
        chinese = call.language == "zh"
        return {
            "findings": [
                {
                    "code": one.code,
                    "message": one.said.zh if chinese else one.said.en,
                    "check": one.check.zh if chinese else one.check.en,
                }
                for one in findings_of(found.order)
            ]
        }

    report, fields = _answer(call, "diagnose", asked, more)

    def view(console: "Console") -> None:
        from cli.views.diagnosis import show_findings
        from cli.views.found import show_absence

        if fields["order"]:
            show_findings(console, call, fields["order"], fields["findings"])
        show_absence(console, call, fields)

    return replace(report, show=view)


def _answer(
    call: Call,
    name: str,
    asked: dict[str, Any],
    more: "Callable[[ReadingRoom, Answered], dict[str, Any]] | None" = None,
) -> tuple[Report, dict[str, Any]]:
    """Ask for one order and return the report, which shows nothing yet, and its fields."""
    from archiver.lookup.answering import grounds
    from archiver.lookup.question import fact
    from archiver.lookup.telling import answer_fields
    from cli.answers import alarms_of, exit_of, opened_room

    order_id = fact("order", asked["order"])
    with opened_room(call, name, grounds(asked["purpose"], asked["case"])) as room:
        desk = room.answering
        answered = desk.show(name, order_id, asked["source"], asked["revision"])
        fields = answer_fields(answered, desk.asker.role)
        orders = fields.pop("orders")
        del fields["next"]
        fields["order"] = orders[0] if orders else None
        if orders and more:
            fields |= more(room, answered)
        alarms = alarms_of(call, answered, room)
    return Report(exit=exit_of(answered, room), alarms=alarms, fields=fields), fields
