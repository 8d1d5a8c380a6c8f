"""`archiver source check`: what would become of a source's newest rows."""

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from archiver.errors import ArchiverError, ConfigurationError, Exit, RequestError
from cli.commands.nightly import instant
from cli.options import Call, command
from cli.report import Alarm, Report, alarm_of

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.configuration import SourceSection
    from archiver.source_check import SourceCheck
    from archiver.wiring import Installation

WORST_FIRST = (Exit.ALARM, Exit.FORBIDDEN, Exit.TRY_LATER, Exit.FIX_REQUEST, Exit.REJECTS)


@click.group("source", short_help="Look at the shops 查看订单来源")
def source() -> None:
    """Look at the shops that orders come from. 查看订单来源。"""  # noqa: D415  it has its 。


@command(
    "check",
    short="Show what would be sealed 显示将被封存的内容",
    text=(
        "Connect to a source, map its newest rows, and show what would be sealed, left out and "
        "rejected, and why. Seals nothing; card secrets are masked.\n\n"
        "连接数据源,映射最新的若干行,显示哪些将被封存、忽略或拒绝及其原因。不封存任何内容,卡密已遮蔽。"
    ),
    examples=(
        "archiver source check",
        "archiver source check --source main --rows 20",
        "archiver source check --json",
    ),
)
@click.option(
    "--source", "name", metavar="NAME", help="Only this one; default: all. 仅检查此数据源。"
)
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000),
    default=100,
    show_default=True,
    help="How many of the newest rows. 检查最新的多少行。",
)
def check(call: Call, *, name: str | None, rows: int) -> Report:
    """Check sources; one that fails does not keep the others from being looked at."""
    from archiver.source_check import check_source

    installation = call.installation()
    checked: list[SourceCheck] = []
    failures: list[ArchiverError] = []
    for section in _sections(call, installation, name):
        try:
            opened = installation.database(section)
            checked.append(check_source(opened, now=installation.clock.now(), rows=rows))
        except ArchiverError as error:
            failures.append(error)
    codes = {failure.exit for failure in failures}
    if any(one.rejects for one in checked):
        codes.add(Exit.REJECTS)
    alarms = [alarm_of(error, call.language, call.named_config) for error in failures]
    alarms += [_rejects(call, one) for one in checked if one.rejects]

    def show(console: "Console") -> None:
        from cli.views.check import show_check

        for one in checked:
            show_check(console, call, one, installation.rules.zone)

    return Report(
        exit=next((code for code in WORST_FIRST if code in codes), Exit.DONE),
        alarms=alarms,
        fields={"sources": [_fields(one) for one in checked]},
        show=show,
    )


source.add_command(check)


def _sections(
    call: Call, installation: "Installation", name: str | None
) -> "tuple[SourceSection, ...]":
    sections = installation.configuration.source
    if not sections:
        raise ConfigurationError(detail="there is no [[source]]")
    if name is None:
        return sections
    chosen = tuple(section for section in sections if section.name == name)
    if not chosen:
        names = ", ".join(section.name for section in sections)
        raise RequestError(detail=call.words("check.unknown-source", source=name, names=names))
    return chosen


def _rejects(call: Call, one: "SourceCheck") -> Alarm:
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(one.reasons.items()))
    message = call.words(
        "check.rejects", source=one.source, count=len(one.rejects), read=one.read, reasons=reasons
    )
    return Alarm(code="rejects", message=message)


def _fields(one: "SourceCheck") -> dict[str, Any]:
    return {
        "source": one.source,
        "mapping": one.mapping,
        "read": one.read,
        "sealed": len(one.orders),
        "not_archived": one.not_archived,
        "rejects": [
            {
                "row_key": row.row_key,
                "order_id": row.order_id,
                "reason": row.reason,
                "column": row.column,
            }
            for row in one.rejects
        ],
        "reject_reasons": dict(one.reasons),
        "dropped_columns": list(one.dropped),
        "form_columns": list(one.forms),
        "orders": _plain(one.orders),
    }


def _plain(value: object) -> Any:  # noqa: ANN401  any value becomes one that JSON knows
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case datetime():
            return instant(value)
        case date() | Decimal():
            return str(value)
        case bytes():
            return value.hex()
        case _:
            return value
