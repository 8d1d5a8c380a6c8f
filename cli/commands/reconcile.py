"""`archiver reconcile`: compare a payment provider's statement with what was sealed."""

import shlex
import sys
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.errors import Exit
from cli.options import Call, command
from cli.report import Alarm, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from archiver.reconcile import Comparison, Found
    from archiver.statements import StatementMapping

LISTED = 1_000
"""Differences in the document that is printed; `--output` gets all."""
EXITS = {"match": Exit.DONE, "pending": Exit.TRY_LATER, "differences": Exit.ALARM}


@command(
    "reconcile",
    short="Compare a provider's bill 与支付渠道账单对账",
    text=(
        "Compare a bill of Alipay or WeChat Pay, or any CSV by a mapping, with the sealed orders: "
        "payments without an order, orders without a payment, amounts that differ, refunds that "
        "the shop does not know. The result is signed and stored; it names no payment. Needs the "
        "base root and the signing key. Differences end it with 20, days that are not sealed yet "
        "with 10, an unusable statement with 2.\n\n"
        "将支付宝、微信支付账单（或按映射读取的任意 CSV）与已封存订单核对：有支付无订单、"
        "有订单无支付、金额不符、商店未记录的退款。结果签名后存入存储，不含支付单号。"
        "需要根密钥与签名密钥。有差异时退出码为 20，有未封存日期时为 10，账单无法使用时为 2。"
    ),
    examples=(
        "archiver reconcile --statement 20260304_账务明细.csv",
        "archiver reconcile --statement bill.csv --output differences.csv   # with numbers 含单号",
        "archiver reconcile --statement bank.csv --mapping bank.toml --from 2026-03-01",
        "archiver reconcile --statement bill.csv --account 1900000109 --json",
    ),
)
@click.option(
    "--statement",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The bill as it was downloaded, unpacked. 下载并解压后的原始账单。",
)
@click.option(
    "--source", "source_name", metavar="NAME", help="Only this source's orders. 仅核对此数据源。"
)
@click.option(
    "--from",
    "first",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="First day; default: the bill's. 起始日，默认取自账单。",
)
@click.option(
    "--to",
    "last",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Last day; default: the bill's. 截止日，默认取自账单。",
)
@click.option(
    "--mapping",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TOML that explains the columns of any other CSV. 说明其他 CSV 各列含义的 TOML 文件。",
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NUMBER",
    help="The account that the bill must be of; default: [reconcile] accounts. "
    "账单应属的账户，默认取自 [reconcile] accounts。",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="Payment methods, as sealed, that the bill covers; default: by its provider. "
    "账单涵盖的支付方式（按封存名称），默认按渠道判断。",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all differences with their numbers as CSV, for you alone. "
    "将全部差异（含单号）写入 CSV，仅本人可读。",
)
def reconcile(
    call: Call,
    *,
    statement: Path,
    source_name: str | None,
    first: datetime | None,
    last: datetime | None,
    mapping: Path | None,
    accounts: tuple[str, ...],
    methods: tuple[str, ...],
    output: Path | None,
) -> Report:
    """Compare, store the result, report."""
    from archiver.errors import RequestError
    from archiver.reconcile import Request, compare, record, write_report
    from cli.screen import Bar

    if output is not None and output.exists():
        raise RequestError(detail=f"{output} exists; it is not overwritten")
    installation = call.installation()
    request = Request(
        statement=statement,
        mapping=_mapping(mapping) if mapping else None,
        sources=(source_name,) if source_name else (),
        first=first.date() if first else None,
        last=last.date() if last else None,
        accounts=accounts or installation.configuration.reconcile.accounts,
        methods=methods,
    )
    archive = installation.archive(to_seal=True)
    call.archive = archive.id
    catalog = installation.catalog(archive)
    catalog.refresh()
    root = installation.base_root(archive)
    with Bar(sys.stderr) as bar:
        bar.start(call.words("reconcile.progress"))
        comparison = compare(archive, catalog, root, request, bar)
    with closing(comparison.judge):
        document = record(archive, comparison)
        if output is not None:
            write_report(output, comparison.differences())
        listed = list(islice(comparison.differences(), LISTED))

    def show(console: "Console") -> None:
        from cli.views.reconciled import show_comparison

        show_comparison(console, call, comparison, listed, document.number)

    return Report(
        exit=EXITS[comparison.verdict],
        alarms=list(_alarms(call, comparison, output)),
        fields={
            **document.model_dump(mode="json", exclude={"format", "kind", "archive"}),
            "differences": [_fields(one) for one in listed],
            "output": str(output) if output else None,
        },
        show=show,
    )


def _mapping(path: Path) -> "StatementMapping":
    from archiver.errors import ConfigurationError
    from archiver.statements import parse_statement_mapping

    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(detail=f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(detail=f"{path}: it is not UTF-8") from None
    return parse_statement_mapping(text)


def _fields(one: "Found") -> dict[str, Any]:
    from archiver.masking import masked

    def amount(value: object) -> str | None:
        return None if value is None else str(value)

    return {
        "kind": one.kind.value,
        "day": one.day.isoformat(),
        "line": one.line,
        # Whole numbers are in the file of `--output` only: this document may end up in a log.
        "payment_no": masked(one.provider_no or one.merchant_no),
        "source": one.source,
        "order": one.order_id,
        "statement_amount": amount(one.statement_amount),
        "archive_amount": amount(one.archive_amount),
    }


def _again() -> str:
    """Return this command with all that was asked for, and a file for the numbers."""
    context = click.get_current_context()
    words = ["archiver", "reconcile"]
    for option in context.command.params:
        value = context.params.get(option.name or "")
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and option.expose_value:
                text = f"{one:%Y-%m-%d}" if isinstance(one, datetime) else str(one)
                words += [option.opts[0], shlex.quote(text)]
    return " ".join([*words, "--output", "differences.csv"])


def _alarms(call: Call, comparison: "Comparison", output: Path | None) -> "Iterator[Alarm]":
    listing = "" if output else call.next(_again())
    for total in comparison.totals:
        message = call.words(
            {
                "payment-without-order": "reconcile.payment-without-order",
                "order-without-payment": "reconcile.order-without-payment",
                "amount-differs": "reconcile.amount-differs",
                "refund-unknown": "reconcile.refund-unknown",
                "duplicate-differs": "reconcile.duplicate-differs",
            }[total.kind.value],
            count=total.count,
            amount=f"{total.amount:,.2f}",
            currency=comparison.statement.currency,
        )
        yield Alarm(code=total.kind.value, message=message, next=listing)
    if comparison.pending:
        days = comparison.days_unsealed
        message = call.words(
            "reconcile.pending", count=comparison.pending, first=days[0], last=days[-1]
        )
        yield Alarm(code="pending", message=message, next=call.next("archiver nightly"))
