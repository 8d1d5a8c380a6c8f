"""`archiver source check`: what would become of a source's newest rows."""

from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.errors import ArchiverError, ConfigurationError, Exit, RequestError
from cli.commands.nightly import instant
from cli.options import Call, command
from cli.report import Alarm, Report, alarm_of

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.configuration import SourceSection
    from archiver.sources.check import Inspection
    from archiver.sources.database import DatabaseSource
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
        "连接数据源，映射最新的若干行，显示哪些将被封存、忽略或拒绝及其原因。不封存任何内容，卡密已遮蔽。"
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
    from archiver.mapping import MapContext
    from archiver.sources.check import inspect

    installation = call.installation()
    checked: list[tuple[DatabaseSource, Inspection]] = []
    failures: list[ArchiverError] = []
    for section in _sections(call, installation, name):
        try:
            opened = installation.sources.database(section)
            context = MapContext(
                archive="",  # nothing is sealed, so the rows belong to none
                source=opened.name,
                observed_at=installation.clock.now(),
                session_zone=opened.session_zone,
            )
            checked.append((opened, inspect(opened, context, rows)))
        except ArchiverError as error:
            failures.append(error)
    codes = {failure.exit for failure in failures}
    if any(found.rejected for _, found in checked):
        codes.add(Exit.REJECTS)
    alarms = [alarm_of(error, call.language, call.named_config) for error in failures]
    alarms += [_rejects(call, *one) for one in checked if one[1].rejected]

    def show(console: "Console") -> None:
        from cli.views.check import show_check

        for opened, found in checked:
            show_check(console, call, opened, found, installation.rules.zone)

    return Report(
        exit=next((code for code in WORST_FIRST if code in codes), Exit.DONE),
        alarms=alarms,
        fields={"sources": [_fields(*one) for one in checked]},
        show=show,
    )


source.add_command(check)


@command(
    "retire",
    short="Let another source continue one 由其他数据源接替",
    text=(
        "Record that a source is gone and another one continues it: what was sealed under the old "
        "name stays known, nothing is sealed twice, nights no longer miss it. Signed and locked "
        "in the store; it cannot be undone. First replace its [[source]] in the configuration, "
        "and run no night before this.\n\n"
        "记录某数据源已停用并由另一数据源接替：旧名下已封存的订单仍被识别，不会重复封存，夜间任务不再告警。"
        "记录经签名并锁定于存储，不可撤销。请先在配置中替换其 [[source]]，在此之前勿运行夜间任务。"
    ),
    examples=(
        "archiver source retire old --successor new",
        "archiver source retire old --successor new --id-map ids.csv   # columns: old,new 两列",
    ),
)
@click.argument("old", metavar="OLD")
@click.option(
    "--successor",
    required=True,
    metavar="NEW",
    help="The source that continues it. 接替的数据源。",
)
@click.option(
    "--id-map",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Where order ids have changed: columns old,new. 订单号有变时的对照表，两列 old,new。",
)
def retire(call: Call, *, old: str, successor: str, id_map: Path | None) -> Report:
    """Retire a source."""
    retired = call.installation().retire(old, successor, id_map)
    retirement = retired.retirement
    call.archive = retirement.archive

    def show(console: "Console") -> None:
        day = retirement.created_at.astimezone(call.installation().rules.zone).date()
        names = {"source": old, "successor": successor}
        if retired.again:
            console.print(
                call.words("retire.again", **names, day=day), markup=False, soft_wrap=True
            )
        else:
            console.print(call.words("retire.done", **names), markup=False, soft_wrap=True)
        if retirement.ids:
            counts = {"mapped": retired.mapped, "unknown": retired.unknown}
            console.print(call.words("retire.mapped", **counts), markup=False, soft_wrap=True)
        console.print(
            f"→ {call.words('next')} {call.next('archiver nightly')}", markup=False, soft_wrap=True
        )

    return Report(
        fields={
            "source": old,
            "successor": successor,
            "retired_at": instant(retirement.created_at),
            "already": retired.again,
            "mapped": retired.mapped if retirement.ids else None,
            "unknown": retired.unknown if retirement.ids else None,
        },
        show=show,
    )


source.add_command(retire)


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


def _rejects(call: Call, opened: "DatabaseSource", found: "Inspection") -> Alarm:
    counted = Counter(row.reason for row in found.rejected)
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counted.items()))
    message = call.words(
        "check.rejects",
        source=opened.name,
        count=len(found.rejected),
        read=found.rows,
        reasons=reasons,
    )
    return Alarm(code="rejects", message=message)


def _fields(opened: "DatabaseSource", found: "Inspection") -> dict[str, Any]:
    return {
        "source": opened.name,
        "mapping": opened.mapping.label,
        "read": found.rows,
        "sealed": len(found.orders),
        "not_archived": found.not_archived,
        "rejects": [
            {
                "row_key": row.row_key,
                "reason": row.reason,
                "column": row.column,
                "shape": row.shape,
            }
            for row in found.rejected
        ],
        "reject_reasons": dict(Counter(row.reason for row in found.rejected)),
        "taken_columns": found.columns_taken,
        "dropped_columns": found.columns_dropped,
        "look_up_columns": found.columns_of_look_ups,
        "form_columns": form_columns(opened),
        "orders": _plain(found.orders),
    }


def form_columns(opened: "DatabaseSource") -> list[str]:
    """Return the columns from which lines that speak of a password are dropped."""
    return sorted({form.column for form in opened.mapping.forms})


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
