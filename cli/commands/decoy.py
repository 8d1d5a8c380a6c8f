"""`archiver decoy`: values that nobody has, so that whoever asks for one harvests."""

import sys
from typing import TYPE_CHECKING

import click

from archiver.errors import RequestError, Said
from cli.options import Call, command
from cli.people import log_alarms, log_exit, session_for
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.desk import Desk

KINDS = ("order", "payment", "contact", "account")
MOST = 10_000
LONGEST = 4 << 20
"""Bytes of standard input."""


@click.group("decoy", short_help="Numbers that nobody has 诱饵")
def decoy() -> None:
    """Values that nobody has; who asks for one harvests. 无人拥有的诱饵值。"""  # noqa: D415


@command(
    "add",
    short="Plant decoys 埋设诱饵",
    text=(
        "Plant decoys: numbers or contacts that no buyer has, one to a line of standard input. Who "
        "asks for one is told that it was never archived, and the watch takes note: once is an "
        "alarm, twice takes a code, three times blocks. Put them where only a thief reads. Kept is "
        "a keyed token of each. Needs the base root. For compliance.\n\n"
        "埋设诱饵：标准输入每行一个没有任何买家拥有的单号或联系方式。查询者会得到“从未归档”的答复，"
        "同时触发监视：一次告警，两次须输入动态码，三次即阻止。请放在只有窃取者会读到的地方。"
        "仅保存其密钥令牌。需要根密钥。供合规人员使用。"
    ),
    examples=(
        "archiver decoy add --kind order < decoys.txt",
        "archiver decoy add --kind contact < mails.txt",
    ),
)
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What they are. 诱饵的种类。")
def add(call: Call, *, kind: str) -> Report:
    """Plant what stands on standard input."""
    desk, session = session_for(call, "decoy add")
    tokens = _tokens(desk, kind)
    count = desk.acting(
        "decoy add",
        session,
        lambda: desk.decoys.plant(kind, tokens, session.name),
        about=f"{len(tokens)} {kind}",
    )
    return _report(call, desk, "decoy.planted", count)


@command(
    "remove",
    short="Take decoys away 移除诱饵",
    text=(
        "Take decoys away, one to a line of standard input: those that a buyer has by now.\n\n"
        "移除诱饵，标准输入每行一个，例如已被真实买家使用的值。"
    ),
    examples=("archiver decoy remove --kind order < decoys.txt",),
)
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What they are. 诱饵的种类。")
def remove(call: Call, *, kind: str) -> Report:
    """Remove what stands on standard input."""
    desk, session = session_for(call, "decoy remove")
    tokens = _tokens(desk, kind)
    count = desk.acting(
        "decoy remove",
        session,
        lambda: desk.decoys.remove(kind, tokens),
        about=f"{len(tokens)} {kind}",
    )
    return _report(call, desk, "decoy.removed", count)


for _command in (add, remove):
    decoy.add_command(_command)


def _tokens(desk: "Desk", kind: str) -> list[str]:
    """Return the tokens of what stands on standard input, made as questions' are."""
    from archiver.access_log.question import question_tokens
    from archiver.index import IndexKeys
    from archiver.lookup.question import fact
    from archiver.lookup.values import sought

    content = sys.stdin.buffer.read(LONGEST + 1)
    lines = [line for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if len(content) > LONGEST or not 0 < len(lines) <= MOST:
        raise RequestError(
            detail=Said(f"1 to {MOST:,} lines on standard input", f"标准输入须为 1 至 {MOST:,} 行")
        )
    archive = desk.installation.archive()
    keys = IndexKeys.open(archive, desk.installation.base_root(archive)).search
    found = [sought(keys, fact(kind, line)) for line in lines]
    return question_tokens(keys.token_key, kind, [one.compared for one in found if one])


def _report(call: Call, desk: "Desk", words: str, count: int) -> Report:
    everything = desk.decoys.count()

    def show(console: "Console") -> None:
        console.print(call.words(words, count=count, all=everything))

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={"count": count, "decoys": everything},
        show=show,
    )
