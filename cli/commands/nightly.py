"""`archiver nightly`: seal every closed day that is not sealed yet."""

import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from cli.commands.init import lock_word
from cli.options import Call, command
from cli.report import Alarm, Report, alarm_of

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.naming import DayReport
    from archiver.nightly import NightReport
    from archiver.sightings import Compared, Looked

PARTITIONS = ("orders", "rejects")
"""The kinds of objects that hold rows; segments and known entries describe those."""


@command(
    "nightly",
    short="Seal what is not sealed yet 封存尚未封存的订单",
    text=(
        "Seal every closed day that is not sealed yet, oldest first, and what came late or was "
        "changed. Running it again seals nothing twice.\n\n"
        "由早到晚封存所有尚未封存的已结束日，以及迟到与变更的订单。重复运行不会重复封存。"
    ),
    examples=(
        "archiver nightly                      # from cron or a systemd timer, once a day 每日一次",
        "archiver nightly --as-of 2026-03-05   # the last day to seal 最后封存日",
        "archiver nightly --json               # for a script: exit, outcome, alarms 供脚本使用",
    ),
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Last day to seal; default: the last closed day. 最后封存日，默认为最近的已结束日。",
)
def nightly(call: Call, *, as_of: datetime | None) -> Report:
    """Run a night."""
    from archiver.metrics import Survey
    from archiver.status import survey
    from archiver.witnessed import witness_fields
    from cli.screen import Bar

    last = as_of.date() if as_of else None
    installation = call.installation()
    with Bar(sys.stderr, call.words("nightly.progress")) as bar, installation.night(bar) as night:
        archive = night.archive
        call.archive = archive.id
        lock = lock_word(archive)
        report = night.run(last)
        names = [section.name for section in installation.configuration.source]
        found = survey(night.catalog, archive.rules, archive.clock.now(), names)
        call.survey = Survey(status=found, lock=lock, zone=archive.rules.zone, spread=report.spread)
    fields = {
        "lock": lock,
        "days": [day_fields(day) for day in report.days],
        "sightings": {name: compared_fields(one) for name, one in report.compared.items()},
        "ledger": extension_fields(report),
        **witness_fields(report.spread, call.language),
    }

    def show(console: "Console") -> None:
        from cli.views.nights import show_night

        show_night(console, call, report, lock)

    return Report(exit=report.exit, alarms=list(alarms(call, report)), fields=fields, show=show)


def day_fields(day: "DayReport") -> dict[str, Any]:
    """Return one entry of `days` (DESIGN 5)."""
    objects = [one.model_dump(mode="json", exclude={"keys", "footer"}) for one in day.objects]
    for one, stored in zip(objects, day.objects, strict=True):
        one["retain_until"] = instant(stored.retain_until)
    return {
        "day": day.day.isoformat(),
        "source": day.source,
        "manifest": day.manifest.number if day.manifest else None,
        **day.counts,
        "outcomes": dict(day.outcomes),
        "reject_reasons": dict(day.reject_reasons),
        "sums": [one.model_dump(mode="json") for one in day.sums],
        "partitions": [one for one in objects if one["kind"] in PARTITIONS],
        "objects": objects,
    }


def extension_fields(report: "NightReport | Looked") -> dict[str, Any] | None:
    """Return what a run did to the ledger; None where it could not be extended."""
    if report.ledger is None:
        return None
    ledger, head = report.ledger.ledger, report.ledger.checkpoint
    return {
        "size": ledger.size,
        "entered": ledger.size - report.ledger.before,
        "root": b64encode(ledger.root).decode(),
        "checkpoint": head.key if head else None,
    }


def compared_fields(compared: "Compared") -> dict[str, int]:
    """Return what became of what was sighted, counted."""
    names = ("sealed", "progressed", "waiting", "explained")
    counts = {name: getattr(compared, name) for name in names}
    return {**counts, "differ": len(compared.findings)}


def instant(when: datetime) -> str:
    """Return an instant as JSON documents write it: UTC, `Z`."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def alarms(call: Call, report: "NightReport") -> Iterator[Alarm]:
    """Yield what somebody must know, the gravest first."""
    for failure in sorted(report.failures, key=lambda error: -error.exit):
        yield alarm_of(failure, call.language, call.named_config)
    for day in report.days:
        if rejects := day.counts.get("rejects", 0):
            reasons = ", ".join(f"{name} {n}" for name, n in sorted(day.reject_reasons.items()))
            yield Alarm(
                code="rejects",
                message=call.words(
                    "nightly.rejects",
                    source=day.source,
                    day=day.day,
                    count=rejects,
                    reasons=reasons,
                ),
                next=call.next(f"archiver source check --source {day.source}"),
            )


def span(days: list[date]) -> str:
    """Return `first … last`, or the only one."""
    return f"{days[0]} … {days[-1]}" if len(days) > 1 else str(days[0])
