"""`archiver prove`: one order as a file that a stranger can check offline."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.errors import ArchiverError, Said
from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.lookup.answering import Answered, Grounds
    from archiver.proving import Proven
    from archiver.reading_room import ReadingRoom

COMMAND = "prove"


@command(
    COMMAND,
    short="Prove an order to a stranger 订单证明",
    text=(
        "Write a file that proves one order to whoever receives it, offline and without showing "
        "any other: its fields, the path from it to a signed checkpoint of the ledger, who outside "
        "has seen that, and when. verify_proof.py checks it with Python and cryptography alone. "
        "--withhold buyer leaves the buyer out without breaking the proof; card secrets are "
        "always left out. For compliance; recorded before it is written.\n\n"
        "生成一个文件，向收件人证明一笔订单，可离线验证，且不泄露其他订单："
        "包括订单字段、从订单到账本已签名检查点的路径、外部见证方与见证时间。"
        "verify_proof.py 仅需 Python 与 cryptography 即可验证。"
        "--withhold buyer 可不出示买家信息而不影响证明；卡密一律不出示。"
        "仅限合规人员；写出前先行记录。"
    ),
    examples=(
        "archiver prove D2026030512000001 -o order.proof.json --case 公调证字12号",
        "archiver prove D2026030512000001 -o order.proof.json --withhold buyer --purpose 仲裁",
        "archiver prove D2026030512000001 -o order.proof.json --revision 1 --purpose 仲裁",
    ),
)
@click.argument("order", metavar="ORDER")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The new file. 写入的新文件。",
)
@click.option(
    "--withhold",
    "withheld",
    multiple=True,
    type=click.Choice(["buyer", "secret"]),
    help="Leave a part out; repeatable. 不出示的部分，可重复。",
)
@click.option("--source", metavar="NAME", help="Where the id stands in several. 指定数据源。")
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    metavar="N",
    help="Another revision than the latest. 指定修订，默认为最新。",
)
@click.option("--purpose", metavar="TEXT", help="Why it is asked. 查询事由。")
@click.option("--case", metavar="NO", help="An authority's document. 机关文书编号。")
def prove(
    call: Call,
    /,
    *,
    order: str,
    output: Path,
    withheld: Sequence[str],
    source: str | None,
    revision: int | None,
    purpose: str | None,
    case: str | None,
) -> Report:
    """Prove one order."""
    from archiver.lookup.answering import grounds
    from archiver.lookup.exporting import require_new, write_new
    from archiver.lookup.question import fact
    from cli.answers import alarms_of, exit_of, opened_room
    from cli.report import alarm_of

    why = grounds(purpose, case)
    order_id = fact("order", order)
    require_new(output)
    with opened_room(call, COMMAND, why) as room:
        answered = room.answering.show(COMMAND, order_id, source, revision)
        proven = _proven(call, room, why, answered, withheld)
        write_new(output, proven.content)
        alarms = [
            *alarms_of(call, answered, room),
            *(alarm_of(one, call.language, call.named_config) for one in room.archive.alarms),
        ]
        ended = max([exit_of(answered, room), *(one.exit for one in room.archive.alarms)])
    fields = _fields(answered, proven, {*withheld, "secret"}, output)

    def show(console: "Console") -> None:
        from cli.views.proven import show_proven

        show_proven(console, call, fields)

    return Report(exit=ended, alarms=alarms, fields=fields, show=show)


def _proven(
    call: Call,
    room: "ReadingRoom",
    why: "Grounds",
    answered: "Answered",
    withheld: Sequence[str],
) -> "Proven":
    """Return the proof; that there is none is on record, too."""
    from archiver.access_log import Outcome
    from archiver.ledger import read_ledger
    from archiver.proving import NothingToProveError, Proving, outsiders_of
    from cli.screen import Bar
    from cli.texts import Words

    if not answered.orders:
        name = f"answer.{answered.answer}"
        raise NothingToProveError(detail=Said(Words("en")(name), Words("zh")(name)))
    (found,) = answered.orders
    installation = room.desk.installation
    catalog = installation.catalog(room.archive)
    try:
        with Bar(sys.stderr, call.words("ledger.progress")) as bar:
            catalog.refresh()
            ledger = read_ledger(room.archive, catalog, bar)
        return Proving(
            archive=room.archive,
            keys=room.finder.opener.keys,
            ledger=ledger,
            anchor=installation.places.anchor.read_bytes(),
            outsiders=outsiders_of(installation),
            kept=catalog.kept,
        ).prove(found, withheld=withheld)
    except ArchiverError as error:
        room.desk.record(
            COMMAND,
            Outcome.FAILED,
            room.session,
            purpose=why.purpose,
            case=why.case,
            detail=error.code,
        )
        raise


def _fields(
    answered: "Answered", proven: "Proven", withheld: set[str], output: Path
) -> dict[str, Any]:
    (found,) = answered.orders
    return {
        "access": str(answered.record),
        "order": {name: found.order[name] for name in ("source", "order_id", "revision")},
        "output": str(output),
        "size_bytes": len(proven.content),
        "withheld": sorted(withheld),
        "manifest": found.hit.partition.manifest,
        "ledger": {"entry": proven.number, "size": proven.size},
        "witnesses": [{"name": one.name, "at": one.at} for one in proven.cosignatures],
        "timestamps": [{"name": one.name, "at": one.at} for one in proven.timestamps],
    }
