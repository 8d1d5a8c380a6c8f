"""`archiver sight`: what has just ended or changed, as digests, and what became of it."""

import sys
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from cli.commands.nightly import compared_fields, extension_fields, instant
from cli.options import Call, command
from cli.report import Report, alarm_of

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.capture import MappedSource
    from archiver.sightings import Finding, Judged, Sight
    from archiver.wiring import Installation

DATE = click.DateTime(["%Y-%m-%d"])


@command(
    "sight",
    short="Digests of what has just ended 为刚完成的订单留痕",
    text=(
        "Take keyed digests of orders that have ended or changed since the last look, and store "
        "them signed and locked; nothing new, no object. Let the host do it every few minutes. "
        "Each night tells which orders are not what they were when they were sighted.\n\n"
        "为上次查看以来完成或变更的订单计算带密钥的摘要，签名并锁定存储；没有新内容则不产生对象。"
        "请让主机每隔几分钟运行一次。每晚会指出哪些订单与留痕时不同。\n\n"
        "--compare sights nothing: it lists what was sighted and is no longer so, for the days "
        "sealed lately or for those given.\n\n"
        "--compare 不留痕：列出最近封存的各日（或指定日期）中与留痕不符的订单。"
    ),
    examples=(
        "archiver sight                         # every few minutes, from a timer 每隔几分钟",
        "archiver sight --compare               # which orders an alarm means 警报所指的订单",
        "archiver sight --compare --from 2026-03-01 --to 2026-03-31 --json",
    ),
)
@click.option(
    "--source", "name", metavar="NAME", help="Only this one; default: all. 仅处理此数据源。"
)
@click.option("--compare", is_flag=True, help="Compare, and sight nothing. 只核对，不留痕。")
@click.option("--from", "first", type=DATE, metavar="DATE", help="First day. 起始日。")
@click.option("--to", "last", type=DATE, metavar="DATE", help="Last day. 截止日。")
def sight(
    call: Call,
    *,
    name: str | None,
    compare: bool,
    first: datetime | None,
    last: datetime | None,
) -> Report:
    """Look, or compare."""
    from archiver.errors import RequestError, Said

    if not compare and (first or last):
        said = Said("--from and --to need --compare", "--from 与 --to 须与 --compare 同用")
        raise RequestError(detail=said)
    installation = call.installation()
    sources = _sources(installation, name)
    if compare:
        asked = (first.date() if first else None, last.date() if last else None)
        return _compared(call, installation, sources, asked)
    return _sighted(call, installation, sources)


def _sources(installation: "Installation", name: str | None) -> list["MappedSource"]:
    from archiver.errors import RequestError, Said

    sources = installation.sources.all()
    chosen = [one for one in sources if name in (None, one.source.name)]
    if not chosen:
        names = [one.source.name for one in sources]
        raise RequestError(
            detail=Said(
                f"there is no source {name}; there are: {', '.join(names)}",
                f"没有数据源 {name}；现有：{'、'.join(names)}",
            )
        )
    return chosen


def _sighted(call: Call, installation: "Installation", sources: list["MappedSource"]) -> Report:
    from archiver.last_look import note_look
    from archiver.run_locks import sight_lock
    from archiver.sightings import look_around
    from archiver.witnessed import witness_fields
    from cli.screen import Bar

    with (
        sight_lock(installation.index_folder),
        Bar(sys.stderr, call.words("sight.progress")) as bar,
    ):
        archive = installation.archive(to_seal=True)
        call.archive = archive.id
        catalog, circle = installation.catalog(archive), partial(installation.circle, archive)
        began = archive.clock.now()
        looked = look_around(archive, catalog, sources, bar, circle)
        if len(looked.sights) == len(installation.configuration.source):
            note_look(installation.index_folder, began)

    def show(console: "Console") -> None:
        from cli.views.sightings import show_sights

        show_sights(console, call, looked.sights)
        if looked.spread is not None:
            from cli.views.witnesses import show_news

            show_news(console, call.words, looked.spread, archive.rules.zone)

    failures = sorted(looked.failures, key=lambda error: -error.exit)
    return Report(
        exit=looked.exit,
        alarms=[alarm_of(one, call.language, call.named_config) for one in failures],
        fields={
            "sources": [_sight_fields(one) for one in looked.sights],
            "ledger": extension_fields(looked),
            **witness_fields(looked.spread, call.language),
        },
        show=show,
    )


def _compared(
    call: Call,
    installation: "Installation",
    sources: list["MappedSource"],
    asked: tuple[date | None, date | None],
) -> Report:
    from archiver.run_locks import run_lock
    from archiver.sightings import judge

    # It brings this host's known orders up to date, as a night does.
    with run_lock(installation.index_folder):
        archive = installation.archive(to_seal=True)
        call.archive = archive.id
        catalog = installation.catalog(archive)
        catalog.refresh()
        known = installation.known(archive)
        known.catch_up(catalog)
        judged = list(judge(archive, catalog, known, sources, asked))

    def show(console: "Console") -> None:
        from cli.views.sightings import show_judged

        show_judged(console, call, judged, archive.rules.zone)

    failures = [*(alarm for one in judged for alarm in one.alarms), *archive.alarms]
    return Report(
        exit=max((failure.exit for failure in failures), default=Report().exit),
        alarms=[alarm_of(one, call.language, call.named_config) for one in failures],
        fields={"sources": [_judged_fields(one) for one in judged]},
        show=show,
    )


def _sight_fields(one: "Sight") -> dict[str, Any]:
    return {
        "source": one.source,
        "since": instant(one.window.start),
        "read": one.read,
        "sighted": one.sighted,
        "sightings": [
            {
                "key": taken.stored.key,
                "version_id": taken.stored.version_id,
                "day": taken.day.isoformat(),
                "rows": taken.rows,
                "retain_until": instant(taken.stored.retain_until),
            }
            for taken in one.sightings
        ],
    }


def _judged_fields(one: "Judged") -> dict[str, Any]:
    compared = one.compared
    return {
        "source": one.source,
        "days": [day.isoformat() for day in one.days],
        **compared_fields(compared),
        "findings": [_finding_fields(found) for found in compared.findings],
    }


def _finding_fields(found: "Finding") -> dict[str, Any]:
    return {
        "order": found.order,
        "changes": [str(change) for change in found.changes],
        "day": found.day.isoformat(),
        "ended": instant(found.ended),
        "sighted_at": instant(found.sighted_at),
        "sighting": found.key,
    }
