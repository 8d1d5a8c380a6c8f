"""`archiver prove`: one order as a file that a stranger can check offline."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.errors import ArchiverError, RequestError, Said
from cli.commands.nightly import instant
from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.lookup.answering import Answered, Grounds
    from archiver.proving import Gathered
    from archiver.reading_room import ReadingRoom

COMMAND = "prove"


@command(
    COMMAND,
    short="Prove an order to a stranger 订单证明",
    text=(
        "Write a file that proves one order to whoever receives it, offline and without showing "
        "any other: its fields, the path from it to a signed checkpoint of the ledger, who outside "
        "has seen that, and when. verify_proof.py checks it with Python and cryptography alone. "
        "--withhold buyer leaves the buyer out without breaking the proof. Card secrets are left "
        "out unless --with-secret reveals them into the file, under the rules of archiver reveal. "
        "For compliance; recorded before it is written.\n\n"
        "生成一个文件，向收件人证明一笔订单，可离线验证，且不泄露其他订单："
        "包括订单字段、从订单到账本已签名检查点的路径、外部见证方与见证时间。"
        "verify_proof.py 仅需 Python 与 cryptography 即可验证。"
        "--withhold buyer 可不出示买家信息而不影响证明；卡密默认不出示，"
        "--with-secret 按 archiver reveal 的规则将其写入文件。"
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
@click.option(
    "--with-secret",
    is_flag=True,
    help="Show card secrets, by the rules of reveal. 按 reveal 的规则出示卡密。",
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
    with_secret: bool,
    source: str | None,
    revision: int | None,
    purpose: str | None,
    case: str | None,
) -> Report:
    """Prove one order."""
    from archiver.access_log import Outcome
    from archiver.lookup.answering import grounds
    from archiver.lookup.exporting import require_new, write_new
    from archiver.lookup.question import fact
    from cli.answers import alarms_of, exit_of, opened_room
    from cli.people import reveal_alarm
    from cli.report import alarm_of

    why = grounds(purpose, case)
    order_id = fact("order", order)
    require_new(output)
    if with_secret and "secret" in withheld:
        raise RequestError(
            detail=Said(
                "--with-secret and --withhold secret contradict each other",
                "--with-secret 与 --withhold secret 相互矛盾",
            )
        )
    parts = {*withheld} if with_secret else {*withheld, "secret"}
    with opened_room(call, COMMAND, why) as room:
        answered = room.answering.show(COMMAND, order_id, source, revision)
        gathered = _gathered(call, room, why, answered)
        # What could not be proven spends no approval and reveals nothing.
        secret = _disclosed(call, room, why, answered) if with_secret else None
        content = gathered.written(parts, secret)
        room.desk.record(
            COMMAND,
            Outcome.DONE,
            room.session,
            purpose=why.purpose,
            case=why.case,
            detail=f"withheld: {', '.join(sorted(parts)) or '-'}",
        )
        write_new(output, content)
        told, access = room.archive.alarms, str(answered.record)
        alarms = [
            *alarms_of(call, answered, room),
            *(alarm_of(one, call.language, call.named_config) for one in told),
            *([reveal_alarm(call, room.session.name, access)] if with_secret else ()),
        ]
        ended = max([exit_of(answered, room), *(one.exit for one in told)])
    evidence = gathered.evidence
    fields = {
        "access": access,
        "order": _named(answered),
        "output": str(output),
        "size_bytes": len(content),
        "withheld": sorted(parts),
        "manifest": answered.orders[0].hit.partition.manifest,
        "ledger": {"entry": gathered.number, "size": gathered.size},
        "revoked_signers": [
            {"number": number, "revoked_at": instant(at), "seen_before": gathered.seen_before(at)}
            for number, at in gathered.revoked.items()
        ],
        "witnesses": [{"name": one.name, "at": one.at} for one in evidence.cosignatures],
        "timestamps": [{"name": one.name, "at": one.at} for one in evidence.timestamps],
    }

    def show(console: "Console") -> None:
        from cli.views.proven import show_proven

        show_proven(console, call, fields)

    return Report(exit=ended, alarms=alarms, fields=fields, show=show)


def _gathered(call: Call, room: "ReadingRoom", why: "Grounds", answered: "Answered") -> "Gathered":
    """Return what proves the order; that nothing does is on record, too."""
    from archiver.access_log import Outcome
    from archiver.proving import NothingToProveError, proving_in
    from cli.screen import Bar
    from cli.texts import Words

    if not answered.orders:
        name = f"answer.{answered.answer}"
        raise NothingToProveError(detail=Said(Words("en")(name), Words("zh")(name)))
    try:
        with Bar(sys.stderr, call.words("ledger.progress")) as bar:
            proving = proving_in(room, bar)
        gathered = proving.gather(answered.orders[0])
        gathered.written({"secret"})
        return gathered
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


def _disclosed(
    call: Call, room: "ReadingRoom", why: "Grounds", answered: "Answered"
) -> Mapping[str, Any]:
    """Return the card secrets of an order for its proof; recorded as revealed."""
    from archiver.reveal import Revealing
    from cli.people import code_of

    revealing = Revealing(
        desk=room.desk,
        session=room.session,
        why=why,
        finder=room.finder,
        config=call.config.absolute(),
        command=COMMAND,
    )
    return revealing.disclose(answered.orders[0], lambda: code_of(call))


def _named(answered: "Answered") -> dict[str, Any]:
    order = answered.orders[0].order
    return {name: order[name] for name in ("source", "order_id", "revision")}
