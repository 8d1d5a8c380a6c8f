"""`archiver rebuild-index`: build this host's search index from the store and the roots alone."""

import sys
from typing import TYPE_CHECKING, Any

import click

from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.index import Built


@command(
    "rebuild-index",
    short="Build the search index anew 重建检索索引",
    text=(
        "Build this host's search index from the store, with the base root: after it was lost or "
        "damaged, or on a new host. The old index answers until the new one is there. Interrupted, "
        "it goes on where it was. Orders sealed by older software are found by their id only: "
        "--deep reads them once to find them by everything else; parts of card secrets also take "
        "--cards, which opens the reveal root.\n\n"
        "使用根密钥从存储重建本机检索索引：用于索引丢失、损坏或更换主机。"
        "新索引完成前，旧索引继续可用；中断后可接着进行。"
        "旧版软件封存的订单只能按订单号查找：--deep 会读取这些订单以支持其他检索方式；"
        "按卡密的一部分检索还需要 --cards（打开卡密根密钥）。"
    ),
    examples=(
        "archiver rebuild-index",
        "archiver rebuild-index --deep           # complete old segments 补全旧索引分段",
        "archiver rebuild-index --deep --cards   # with the reveal root 使用卡密根密钥",
    ),
)
@click.option("--deep", is_flag=True, help="Complete what old segments lack. 补全旧索引分段。")
@click.option(
    "--cards",
    is_flag=True,
    help="With --deep: also parts of card secrets. 与 --deep 同用：包括卡密的各部分。",
)
def rebuild_index(call: Call, *, deep: bool, cards: bool) -> Report:
    """Build it."""
    from archiver.errors import RequestError, Said
    from archiver.reading_room import renew_decoys
    from cli.screen import Bar

    if cards and not deep:
        said = Said("--cards goes with --deep", "--cards 须与 --deep 同用")
        raise RequestError(detail=said)
    installation = call.installation()
    archive = installation.archive()
    call.archive = archive.id
    catalog = installation.catalog(archive)
    catalog.refresh()
    with Bar(sys.stderr, call.words("index.progress")) as bar:
        builder = installation.index_builder(archive, bar, cards=cards)
        built = builder.rebuild(catalog.entries, deep=deep)
    renew_decoys(installation, builder.keys)
    return index_report(call, built)


def index_report(call: Call, built: "Built") -> Report:
    """Return the report of a build."""

    def show(console: "Console") -> None:
        from cli.views.index import show_index

        show_index(console, call, built)

    return Report(fields=_fields(built), show=show)


def _fields(built: "Built") -> dict[str, Any]:
    return {
        "manifest": built.manifest,
        "manifests_read": built.read,
        "orders": built.orders,
        "tokens": built.tokens,
        "segments": built.segments,
        "size_bytes": built.size_bytes,
        "lacking": [
            {
                "kind": one.kind.name.lower().replace("_", "-"),
                "partitions": one.partitions,
                "days": [str(day) for day in one.days],
            }
            for one in built.lacking
        ],
    }
