"""`archiver backfill`: seal the missing days of a range, years perhaps, with several workers."""

import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from archiver.errors import RequestError, Said
from cli.commands.init import lock_word
from cli.commands.nightly import alarms, day_fields, extension_fields
from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.wiring import Installation

DATE = click.DateTime(["%Y-%m-%d"])
MAX_WORKERS = 64
"""More cores than any host here has."""
DEFAULT_WORKERS = 8
"""At most, where nobody says how many: each takes some 300 MB."""


@command(
    "backfill",
    short="Seal days of years past 补封历史订单",
    text=(
        "Seal the days of a range that are not sealed yet, several at a time. Nights may run "
        "meanwhile. If it is interrupted, the same command goes on where it was; nothing is "
        "sealed twice. Orders that need not be kept any more are counted as expired.\n\n"
        "并行封存指定日期范围内尚未封存的日期，期间夜间任务可照常运行。若被中断，重复同一命令即可从中断处"
        "继续，不会重复封存。已过保存期限的订单仅计入 expired。"
    ),
    examples=(
        "archiver backfill --from 2024-01-01 --to 2026-08-31",
        "archiver backfill --from 2024-01-01 --to 2026-08-31 --workers 4   # 四个工作进程",
        "archiver backfill --from 2026-03-01 --to 2026-03-31 --source main --json",
        "archiver backfill --from 2020-01-01 --to 2026-08-31 --cluster tcp://10.0.0.5:8786",
    ),
)
@click.option(
    "--from",
    "first",
    type=DATE,
    required=True,
    metavar="DATE",
    help="First day. 起始日。",
)
@click.option(
    "--to",
    "last",
    type=DATE,
    required=True,
    metavar="DATE",
    help="Last day, already over. 截止日，须已结束。",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    metavar="N",
    help="Processes; default: one for each core, at most 8. 工作进程数，默认每核一个，至多 8 个。",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Workers of the Dask cluster with this scheduler instead, such as tcp://10.0.0.5:8786. "
    "改用此 Dask 集群的工作进程。",
)
@click.option(
    "--source", "name", metavar="NAME", help="Only this one; default: all. 仅处理此数据源。"
)
def backfill(
    call: Call,
    *,
    first: datetime,
    last: datetime,
    workers: int | None,
    cluster: str | None,
    name: str | None,
) -> Report:
    """Run a backfill."""
    from archiver.witnessed import witness_fields
    from archiver.workers import open_backfill
    from cli.views.course import CourseBar

    installation = call.installation()
    names = _names(installation, name)
    days = (first.date(), last.date())
    if workers and cluster:
        raise RequestError(
            detail=Said("--workers or --cluster, not both", "--workers 与 --cluster 只能指定其一")
        )
    workers = workers or min(len(os.sched_getaffinity(0)), DEFAULT_WORKERS)
    with (
        CourseBar(sys.stderr, call.words) as bar,
        open_backfill(
            installation,
            call.config,
            days,
            workers=workers,
            names=names,
            watch=bar,
            cluster=cluster,
        ) as run,
    ):
        call.archive = run.archive.id
        lock = lock_word(run.archive)
        report = run.run(*days)
    fields = {
        "lock": lock,
        "workers": run.workers,
        "days_sealed_before": report.sealed_before,
        "days": [day_fields(day) for day in report.days],
        "ledger": extension_fields(report),
        **witness_fields(report.spread, call.language),
    }

    def show(console: "Console") -> None:
        from cli.views.nights import show_night

        for source, count in report.sealed_before.items():
            if count:
                console.print(call.words("backfill.before", source=source, days=count))
        show_night(console, call, report, lock)
        if not report.days and not report.failures:
            console.print(call.words("backfill.nothing"))

    return Report(exit=report.exit, alarms=list(alarms(call, report)), fields=fields, show=show)


def _names(installation: "Installation", name: str | None) -> list[str]:
    names = [section.name for section in installation.configuration.source]
    if name is None:
        return names
    if name not in names:
        raise RequestError(
            detail=Said(
                f"there is no source {name}; there are: {', '.join(names)}",
                f"没有数据源 {name}；现有：{'、'.join(names)}",
            )
        )
    return [name]
