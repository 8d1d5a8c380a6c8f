"""`archiver status`: which days are sealed, which are missing, under what kind of lock."""

import sys
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import click

from archiver.errors import ArchiverError, Exit, RollbackError, highest
from cli.commands.init import lock_word
from cli.commands.ledger import ledger_fields
from cli.commands.nightly import instant
from cli.options import Call, command
from cli.report import Alarm, Report, alarm_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from archiver.archive import Archive
    from archiver.catalog import Catalog
    from archiver.ledger import Ledger
    from archiver.signed_documents import SignedDocument
    from archiver.spreading import Spread
    from archiver.status import SourceStatus, Status
    from archiver.wiring import Installation
    from cli.views.orphans import Leftovers
    from schemas.documents import LockProof

SHOWN_DAYS = 5
"""Missing days that a message names; the document has all."""


@command(
    "status",
    short="Days sealed and missing 已封存与缺失的日期",
    text=(
        "Show the days that are sealed and missing, and the kind of lock. Days that are "
        "missing end it with 10: run the night. Days that are not sealed by [alarms] sealed_by "
        "end it with 20. A sealed source that the configuration no longer names ends it with 2. "
        "A witness or time-stamping authority that is a day behind ends it with 10, one that "
        "knows another ledger with 20."
        "\n\n"
        "显示已封存与缺失的日期（日历热图）以及锁的类型。有缺失日时退出码为 10；"
        "超过 [alarms] sealed_by 仍未封存时为 20；配置中已无某个已封存的数据源时为 2。"
        "见证方或时间戳机构落后一天时为 10；其所知账本不同时为 20。"
        "\n\n"
        "--orphans also lists data objects that no manifest names: leftovers of crashes and lost "
        "races, which nobody can read. It reads the whole listing of the store.\n\n"
        "--orphans 另列出没有任何清单引用的数据对象：崩溃或竞争失败的残留，无人能读取。"
        "该选项会读取存储的完整列表。"
    ),
    examples=(
        "archiver status",
        "archiver status --lang zh",
        "archiver status --json   # days_sealed, days_missing, lock, last manifest",
        "archiver status --orphans   # and what no manifest names 以及未被清单引用的对象",
    ),
)
@click.option(
    "--orphans",
    is_flag=True,
    help="Also list data objects that no manifest names. 另列出未被任何清单引用的数据对象。",
)
def status(call: Call, *, orphans: bool) -> Report:
    """Survey the archive."""
    from archiver.last_look import last_look, late_look
    from archiver.lockproof import latest_proof
    from archiver.metrics import Survey
    from archiver.status import status_fields, survey
    from archiver.verification.coverage import Coverage, coverage_fields
    from archiver.witnessed import witness_fields

    installation = call.installation()
    archive = installation.archive()
    call.archive = archive.id
    catalog = installation.catalog(archive)
    catalog.refresh()
    found = survey(
        catalog,
        archive.rules,
        archive.clock.now(),
        [section.name for section in installation.configuration.source],
        installation.configuration.alarms.sealed_by,
    )
    proof = latest_proof(archive)
    lock = lock_word(archive)
    call.survey = Survey(status=found, lock=lock, zone=archive.rules.zone)
    doubt = _doubt(archive, proof, fenced=installation.fenced)
    alarms = [alarm_of(doubt, call.language, call.named_config)] if doubt else []
    alarms += _alarms(call, found)
    alarms += [alarm_of(gone, call.language, call.named_config) for gone in found.gone]

    ledger, contradicting = _ledger(archive, catalog)
    alarms[:0] = [alarm_of(one, call.language, call.named_config) for one in contradicting]
    waiting = len(catalog.entries) - ledger.taken.manifests
    told, troubles = _told(installation, archive, ledger.size)
    call.survey = replace(call.survey, spread=told)
    looked = last_look(installation.index_folder)
    if late := late_look(installation.index_folder, archive.clock.now()):
        troubles = [*troubles, late]
    alarms += [alarm_of(one, call.language, call.named_config) for one in troubles]
    leftovers = _leftovers(call, installation, catalog) if orphans else None
    now = archive.clock.now()
    coverage = Coverage.load(
        installation.index_folder, archive.id, now.astimezone(archive.rules.zone).date()
    )

    def show(console: "Console") -> None:
        from cli.views.calendar import show_status
        from cli.views.coverage import coverage_line
        from cli.views.ledger import show_head

        show_status(console, call, found, archive, lock)
        show_head(console, call.words, archive.rules.zone, ledger, waiting)
        if told is not None:
            from cli.views.witnesses import show_witnesses

            show_witnesses(console, call.words, told, archive.rules.zone)
        console.print(coverage_line(call.words, coverage, now))
        if leftovers is not None:
            from cli.views.orphans import show_orphans

            show_orphans(console, call.words, leftovers)

    return Report(
        exit=highest([_exit(found, doubt), *(one.exit for one in [*troubles, *contradicting])]),
        alarms=alarms,
        fields={
            **status_fields(found, lock, archive.document.name, archive.settings.description),
            "lock_proof_age_s": _age_seconds(archive, proof),
            "last_look": instant(looked) if looked else None,
            "ledger": ledger_fields(ledger, installation, waiting),
            **witness_fields(told, call.language),
            "verification": coverage_fields(coverage),
            **(leftovers.fields() if leftovers is not None else {}),
        },
        show=show,
    )


def _ledger(archive: "Archive", catalog: "Catalog") -> "tuple[Ledger, Sequence[ArchiverError]]":
    """Return the ledger as far as it can be read, and what contradicts it."""
    from archiver.ledger import Ledger, read_ledger

    try:
        return read_ledger(archive, catalog), []
    except RollbackError as error:
        seen = Ledger(archive)
        seen.recall()
        return seen, [error]


def _told(
    installation: "Installation", archive: "Archive", size: int
) -> "tuple[Spread | None, Sequence[ArchiverError]]":
    """Return who holds the ledger's head as far as this host knows, and what is wrong there."""
    configuration = installation.configuration
    if not (configuration.witness or configuration.timestamp):
        return None, []
    from archiver.spreading import remembered

    try:
        circle = installation.circle(archive)
    except ArchiverError as error:
        return None, [error]
    found = remembered(archive, circle, size, archive.clock.now())
    return found, found.failures


def _leftovers(call: Call, installation: "Installation", catalog: "Catalog") -> "Leftovers":
    from archiver.orphans import unnamed
    from cli.screen import Bar
    from cli.views.orphans import Leftovers

    archive = catalog.archive
    now = archive.settings.server_time or archive.clock.now()
    claim = installation.fencing(archive).claim() if installation.fenced else None
    claimed = catalog.claimed(claim)
    with Bar(sys.stderr, call.words("orphans.progress")) as bar:
        return Leftovers.of(unnamed(catalog, now, bar, [claimed] if claimed else []))


def _exit(found: "Status", doubt: "ArchiverError | None") -> Exit:
    if any(one.overdue for one in found.sources):
        return Exit.ALARM
    if doubt:
        return doubt.exit
    if any(one.missing for one in found.sources):
        return Exit.TRY_LATER
    return Exit.FIX_REQUEST if found.gone else Exit.DONE


def _doubt(
    archive: "Archive", proof: "SignedDocument[LockProof] | None", *, fenced: bool
) -> "ArchiverError | None":
    """Return what a night would say about the lock's proof."""
    from archiver.lockproof import require_proof

    try:
        return require_proof(archive, proof, fenced=fenced)
    except ArchiverError as error:
        return error


def _age_seconds(archive: "Archive", proof: "SignedDocument[LockProof] | None") -> int | None:
    if proof is None:
        return None
    return int((archive.clock.now() - proof.document.created_at).total_seconds())


def _alarms(call: Call, found: "Status") -> "Iterator[Alarm]":
    for one in found.sources:
        if one.overdue:
            yield Alarm(
                code="day-not-sealed",
                message=call.words(
                    "status.overdue",
                    source=one.source,
                    count=len(one.overdue),
                    days=_some(one.overdue),
                ),
                next=call.next("archiver nightly"),
            )
        elif one.missing:
            yield Alarm(
                code="missing-days", message=_missing(call, one), next=call.next("archiver nightly")
            )


def _missing(call: Call, one: "SourceStatus") -> str:
    if not one.sealed:
        return call.words("status.no-night", source=one.source)
    return call.words(
        "status.missing", source=one.source, count=len(one.missing), days=_some(one.missing)
    )


def _some(days: "Sequence[date]") -> str:
    named = ", ".join(str(day) for day in days[:SHOWN_DAYS])
    return f"{named}, …" if len(days) > SHOWN_DAYS else named
