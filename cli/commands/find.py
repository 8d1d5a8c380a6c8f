"""`archiver find`: orders by what somebody knows of them."""

import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archiver.errors import RequestError, Said
from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.lookup.question import Fact
    from archiver.reading_room import ReadingRoom

MAX_CARDS: Final = 10_000
MAX_STDIN: Final = 64 << 20
"""Bytes."""
STDIN: Final = "-"


@command(
    "find",
    short="Find orders 查询订单",
    text=(
        "Find archived orders by what is known of them: all that is given must hold. Newest first, "
        "in pages. Needs a login; the question is recorded before the answer is shown. Contact, "
        "account and address are masked by role, card secrets are never shown. A value of - is "
        "read from standard input; card secrets are read from there only, within a case. That "
        "nothing was found is an answer, too, and ends with 0.\n\n"
        "按已知信息查询已归档订单，所给条件须全部满足；由新到旧分页显示。须先登录，"
        "查询在显示结果前先行记录。联系方式、账号与 IP 按角色脱敏，卡密一律不显示。"
        "值为 - 时从标准输入读取；卡密只能如此读取，且须在案件中。未查到也是结果，退出码为 0。"
    ),
    examples=(
        "archiver find --order D2026030512000001 --purpose 售后",
        "archiver find --payment-no 2026030522001412345678 --purpose 售后",
        "archiver find --contact a@qq.com --from 2026-03-01 --to 2026-03-31 --purpose 售后",
        "archiver find --card - --case 公调证字12号 < card.txt",
        "archiver find --cards-from - --case 公调证字12号 --json < cards.txt",
        "archiver find --from 2026-03-01 --to 2026-03-01 --product 点卡 --purpose 对账",
        "archiver find --merchant m1 --from 2026-03-01 --purpose 协查 --output orders.xlsx",
    ),
)
@click.option("--order", metavar="ID", help="Order number. 订单号。")
@click.option(
    "--payment-no", metavar="NO", help="The provider's or merchant's number. 交易号或商家订单号。"
)
@click.option("--account", metavar="NAME", help="Buyer's account. 买家账号。")
@click.option("--contact", metavar="TEXT", help="E-mail or telephone given. 买家联系方式。")
@click.option("--ip", metavar="ADDRESS", help="Buyer's address. 买家 IP。")
@click.option("--merchant", metavar="TEXT", help="Merchant's id or name. 商户编号或名称。")
@click.option("--target", metavar="TEXT", help="Account that was topped up. 充值账号。")
@click.option("--card", metavar="-", help="A card secret, on stdin. 卡密，从标准输入读取。")
@click.option(
    "--cards-from", metavar="-", help="Many, one to a line, on stdin. 多个卡密，每行一个。"
)
@click.option(
    "--from", "first", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="First day. 起始日。"
)
@click.option(
    "--to", "last", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Last day. 截止日。"
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    metavar="WORD",
    help="completed, refunded, failed or open; repeatable. 订单状态，可重复。",
)
@click.option("--product", metavar="TEXT", help="Part of the product's name. 商品名称的一部分。")
@click.option("--channel", metavar="NAME", help="Payment method or channel. 支付方式或渠道。")
@click.option("--amount", metavar="AMOUNT", help="Amount paid. 实付金额。")
@click.option("--source", metavar="NAME", help="Only this source. 仅此数据源。")
@click.option("--purpose", metavar="TEXT", help="Why it is asked. 查询事由。")
@click.option("--case", metavar="NO", help="An authority's document. 机关文书编号。")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=20,
    show_default=True,
    help="Orders to a page. 每页订单数。",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="All orders into a new .csv, .xlsx, .parquet or .jsonl. 将全部结果导出到新文件。",
)
@click.option("--cursor", metavar="TEXT", help="Next page: `next` of the last. 下一页游标。")
def find(
    call: Call,
    /,
    *,
    first: datetime | None,
    last: datetime | None,
    statuses: Sequence[str],
    limit: int,
    cursor: str | None,
    output: Path | None,
    purpose: str | None,
    case: str | None,
    cards_from: str | None,
    **asked: str | None,
) -> Report:
    """Ask, record, answer."""
    from archiver.lookup.answering import grounds
    from archiver.lookup.question import Question, conditions, parse_cursor
    from archiver.lookup.telling import answer_fields
    from cli.answers import alarms_of, exit_of, opened_room
    from cli.bulk import exported, require_exportable

    told = {
        **asked,
        "from": first,
        "to": last,
        "status": statuses,
        "cursor": cursor,
        "output": output,
    }
    given = [name for name, value in told.items() if value]
    if cards_from is not None and set(given) - {"source"}:
        raise RequestError(
            detail=Said(
                "--cards-from goes with --source, --case and --purpose only",
                "--cards-from 只能与 --source、--case、--purpose 同用",
            )
        )
    why = grounds(purpose, case)
    narrow = {name: asked.pop(name) for name in ("product", "channel", "amount", "source")}
    facts = _cards() if cards_from == STDIN else _facts(asked, cards_from)
    if output is not None:
        require_exportable(output, cursor)
    with opened_room(call, "export" if output else "find", why) as room:
        desk = room.answering
        if cards_from is not None:
            return _many(call, room, facts, narrow["source"])
        question = Question(
            facts=facts,
            conditions=conditions(
                zone=desk.zone,
                first=_day(first),
                last=_day(last),
                statuses=statuses,
                sources=[one.source for one in desk.coverage.sources],
                **narrow,
            ),
            limit=limit,
            after=parse_cursor(cursor) if cursor is not None else None,
        )
        if output is not None:
            return exported(call, room, question, output)
        answered = desk.find(question)
        fields = answer_fields(answered, desk.asker.role)
        alarms = alarms_of(call, answered, room)

    def show(console: "Console") -> None:
        from cli.views.found import show_found

        show_found(console, call, fields)

    return Report(exit=exit_of(answered, room), alarms=alarms, fields=fields, show=show)


def _many(call: Call, room: "ReadingRoom", cards: "Sequence[Fact]", source: str | None) -> Report:
    """Answer for many cards; what is said of each names its line, never the card."""
    from archiver.lookup.telling import answer_fields
    from cli.answers import alarms_of, exit_of
    from cli.screen import Bar

    with Bar(sys.stderr, call.words("find.cards")) as bar:
        bar.start("", len(cards))
        answered, each = room.answering.cards(cards, source, bar.advance)
    fields = {
        **answer_fields(answered, room.answering.asker.role),
        "cards": [
            {
                "line": line,
                "orders": [
                    {"source": one.order["source"], "order_id": one.order["order_id"]}
                    for one in orders
                ],
            }
            for line, orders in enumerate(each, 1)
        ],
    }

    def show(console: "Console") -> None:
        from cli.views.found import show_cards, show_found

        show_cards(console, call, fields["cards"])
        show_found(console, call, fields)

    return Report(
        exit=exit_of(answered, room),
        alarms=alarms_of(call, answered, room),
        fields=fields,
        show=show,
    )


def _cards() -> "list[Fact]":
    """Return the cards on standard input, one to a line.

    Raises:
        RequestError: There is none, there are too many, or a line is empty or enormous.
    """
    from archiver.lookup.question import fact

    lines = _stdin().splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not 0 < len(lines) <= MAX_CARDS:
        raise RequestError(
            detail=Said(
                f"--cards-from -: 1 to {MAX_CARDS:,} lines; there are {len(lines):,}",
                f"--cards-from -：须为 1 至 {MAX_CARDS:,} 行，现有 {len(lines):,} 行",
            )
        )
    return [fact("card", line) for line in lines]


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _facts(asked: dict[str, str | None], cards_from: str | None) -> "list[Fact]":
    """Return the facts that were given, those on standard input read from there."""
    from archiver.lookup.question import fact

    given = {name: value for name, value in asked.items() if value is not None}
    if sum(value == STDIN for value in given.values()) + (cards_from is not None) > 1:
        raise RequestError(
            detail=Said("standard input can be one value only", "标准输入只能用于一个值")
        )
    for option, value in (("--card", given.get("card")), ("--cards-from", cards_from)):
        if value is not None and value != STDIN:
            # What stands on a command line stands in the list of processes and in histories.
            raise RequestError(
                detail=Said(
                    f"{option} - : card secrets come on standard input, never as an argument",
                    f"{option} -：卡密只能从标准输入读取，不得作为参数",
                )
            )
    facts = []
    for name, value in given.items():
        text = _stdin().rstrip("\r\n") if value == STDIN else value
        facts.append(fact("payment" if name == "payment_no" else name, text))
    return facts


def _stdin() -> str:
    content = sys.stdin.buffer.read(MAX_STDIN + 1)
    if len(content) > MAX_STDIN:
        raise RequestError(detail=Said("standard input is too long", "标准输入过长"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError(
            detail=Said("standard input is not UTF-8", "标准输入不是 UTF-8 文本")
        ) from None
