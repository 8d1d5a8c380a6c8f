"""`archiver decoy`: values that nobody has, so that whoever asks for one harvests."""

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from archiver.errors import RequestError, Said
from cli.options import Call, command
from cli.people import log_alarms, log_exit, session_for
from cli.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from archiver.archive import Archive
    from archiver.decoys import Decoys
    from archiver.desk import Desk
    from archiver.index import IndexKeys
    from archiver.lookup.values import Sought
    from archiver.wiring import Installation

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
        "Plant decoys: numbers or contacts that no buyer has, one to a line of standard input. "
        "They exist in the search index only. Who asks for one is told that it was never archived; "
        "compliance hears of it at once by the webhook (`decoy`), and the watch counts: once is an "
        "alarm, twice takes a code, three times blocks. Put them where only a thief reads. A value "
        "that is archived is refused. Other hosts have them from their next refresh on. Needs the "
        "base root. For compliance, with a code of the last five minutes (`archiver login`).\n\n"
        "埋设诱饵：标准输入每行一个没有任何买家拥有的单号或联系方式，仅存在于检索索引中。"
        "查询者会得到“从未归档”的答复；合规人员立即通过 webhook 获知（decoy），监视同时计数："
        "一次告警，两次须输入动态码，三次即阻止。请放在只有窃取者会读到的地方。已归档的值会被拒绝。"
        "其他主机在下次刷新后生效。需要根密钥。"
        "供合规人员使用，须有五分钟内的动态码（archiver login）。"
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
    lookup = _Lookup.open(desk)
    found = lookup.read(kind)
    if taken := lookup.archived(found):
        lines = ", ".join(str(line) for line in taken[:10])
        raise RequestError(
            detail=Said(
                f"a buyer has the values of lines {lines} ({len(taken)} in all): no decoys",
                f"第 {lines} 行（共 {len(taken)} 行）的值属于真实买家，不能作为诱饵",
            )
        )
    values = {token: one.fact.value for token, one in zip(lookup.tokens(found), found, strict=True)}
    count = desk.acting(
        "decoy add",
        session,
        lambda: lookup.decoys.plant(kind, values, session.name),
        about=f"{len(values)} {kind}",
    )
    return _report(call, desk, lookup, "decoy.planted", count)


@command(
    "list",
    short="List decoys 列出诱饵",
    text=(
        "List the decoys, with the numbers by which they are withdrawn. `taken` is one that is "
        "archived by now: a buyer has it, and it is no decoy any more. For compliance, with a code "
        "of the last five minutes.\n\n"
        "列出诱饵及其编号（移除时使用）。“已被占用”表示该值已有真实订单，不再是诱饵。"
        "供合规人员使用，须有五分钟内的动态码。"
    ),
    examples=("archiver decoy list", "archiver decoy list --json"),
)
def list_decoys(call: Call) -> Report:
    """List them."""
    from archiver.access_log import Outcome
    from archiver.lookup.shown import instant

    desk, session = session_for(call, "decoy list")
    desk.record("decoy list", Outcome.DONE, session)
    lookup = _Lookup.open(desk)
    planted = lookup.decoys.all()
    taken = set(lookup.archived([lookup.sought(one.kind, one.value) for one in planted]))

    def show(console: "Console") -> None:
        from cli.views.people import show_decoys

        show_decoys(console, call, planted, taken, desk.installation.rules.zone)

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={
            "decoys": [
                {
                    "number": one.number,
                    "kind": one.kind,
                    "value": one.value,
                    "planted_at": instant(one.planted_at),
                    "planted_by": one.planted_by,
                    "taken": place in taken,
                }
                for place, one in enumerate(planted, 1)
            ]
        },
        show=show,
    )


@command(
    "remove",
    short="Withdraw decoys 移除诱饵",
    text=(
        "Withdraw decoys: by the numbers that `decoy list` gives, or with --kind by their values, "
        "one to a line of standard input. For compliance, with a code of the last five minutes.\n\n"
        "移除诱饵：给出 decoy list 中的编号，或用 --kind 在标准输入每行给出一个值。"
        "供合规人员使用，须有五分钟内的动态码。"
    ),
    examples=("archiver decoy remove 3 4", "archiver decoy remove --kind order < decoys.txt"),
)
@click.argument("numbers", type=click.IntRange(1), nargs=-1)
@click.option("--kind", type=click.Choice(KINDS), help="What they are. 诱饵的种类。")
def remove(call: Call, *, numbers: tuple[int, ...], kind: str | None) -> Report:
    """Withdraw what is named."""
    desk, session = session_for(call, "decoy remove")
    if bool(numbers) == (kind is not None):
        raise RequestError(
            detail=Said(
                "give numbers, or --kind and values on standard input",
                "请给出编号，或用 --kind 并在标准输入给出值",
            )
        )
    lookup = _Lookup.open(desk)
    tokens = lookup.tokens(lookup.read(kind)) if kind is not None else ()
    count = desk.acting(
        "decoy remove",
        session,
        lambda: lookup.decoys.withdraw(numbers, tokens),
        about=f"{len(tokens)} {kind}" if kind else ", ".join(map(str, numbers))[:200],
    )
    return _report(call, desk, lookup, "decoy.removed", count)


for _command in (add, list_decoys, remove):
    decoy.add_command(_command)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lookup:
    """What a lookup host knows of values: their tokens, and whether somebody has them."""

    installation: "Installation"
    archive: "Archive"
    keys: "IndexKeys"
    decoys: "Decoys"

    @classmethod
    def open(cls, desk: "Desk") -> "_Lookup":
        """Open the base root."""
        from archiver.index import IndexKeys
        from archiver.reading_room import decoys_of

        installation = desk.installation
        archive = installation.archive()
        keys = IndexKeys.open(archive, installation.base_root(archive))
        decoys = decoys_of(installation, keys)
        return cls(installation=installation, archive=archive, keys=keys, decoys=decoys)

    def read(self, kind: str) -> "list[Sought]":
        """Return the values on standard input."""
        content = sys.stdin.buffer.read(LONGEST + 1)
        text = content.decode("utf-8-sig", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        if len(content) > LONGEST or not 0 < len(lines) <= MOST:
            raise RequestError(
                detail=Said(
                    f"1 to {MOST:,} lines on standard input", f"标准输入须为 1 至 {MOST:,} 行"
                )
            )
        return [self.sought(kind, line) for line in lines]

    def sought(self, kind: str, value: str) -> "Sought":
        """Return a value as questions are made of it."""
        from archiver.lookup.question import fact
        from archiver.lookup.values import sought

        found = sought(self.keys.search, fact(kind, value))
        if found is None:
            said = Said("nothing of a value is left to compare", "某个值规范化后为空")
            raise RequestError(detail=said)
        return found

    def tokens(self, values: "Sequence[Sought]") -> list[str]:
        """Return the tokens under which questions for these stand in the access log."""
        from archiver.access_log.question import question_tokens

        key = self.keys.search.token_key
        return [question_tokens(key, one.fact.kind, [one.compared])[0] for one in values]

    def archived(self, values: "Sequence[Sought]") -> list[int]:
        """Return which of these, counted from 1, this host's index has orders for."""
        if not self.installation.has_index:
            return []
        with closing(self.installation.index(self.archive)) as index:
            hits = index.find_each([one.criterion for one in values])
        return [place for place, found in enumerate(hits, 1) if found]


def _report(call: Call, desk: "Desk", lookup: _Lookup, words: str, count: int) -> Report:
    from archiver.reading_room import renew_decoys

    renew_decoys(lookup.installation, lookup.keys)
    everything = len(lookup.decoys.all())

    def show(console: "Console") -> None:
        console.print(call.words(words, count=count, all=everything))

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={"count": count, "decoys": everything},
        show=show,
    )
