"""`archiver update-index`: add what was sealed since to this host's search index."""

import sys

from cli.commands.rebuild_index import index_report
from cli.options import Call, command
from cli.report import Report


@command(
    "update-index",
    short="Add new nights to the search index 将新封存的内容加入检索索引",
    text=(
        "Add what was sealed since the last time to this host's search index; without one, build "
        "it. Needs the base root. Questions are answered meanwhile. Let a timer run it after the "
        "night.\n\n"
        "将上次以来新封存的内容加入本机检索索引；没有索引时则新建。需要根密钥。期间仍可查询。"
        "可由定时器在夜间任务之后运行。"
    ),
    examples=("archiver update-index", "archiver update-index --json"),
)
def update_index(call: Call) -> Report:
    """Update it."""
    from archiver.reading_room import renew_decoys
    from cli.screen import Bar

    installation = call.installation()
    archive = installation.archive()
    call.archive = archive.id
    catalog = installation.catalog(archive)
    catalog.refresh()
    with Bar(sys.stderr, call.words("index.progress")) as bar:
        builder = installation.index_builder(archive, bar)
        built = builder.update(catalog.entries)
    renew_decoys(installation, builder.keys)
    return index_report(call, built)
