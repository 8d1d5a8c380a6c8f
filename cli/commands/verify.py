"""`archiver verify`: does the store still hold what was sealed, as it was promised?"""

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.errors import Exit
from cli.options import Call, command
from cli.report import Alarm, Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.ports import Progress
    from archiver.verification.findings import Finding
    from archiver.verification.ground import Ground, Verified

MAX_WORKERS = 64
DEFAULT_WORKERS = 8
LISTED = 10_000
"""Findings in the document; all are counted."""
ALARMS = 20
"""Findings that become alarms of the report by themselves."""


@command(
    "verify",
    short="Verify what is in the store 校验存储中的内容",
    text=(
        "Compare the store with what was sealed and promised: all versions and delete markers, "
        "signatures, the chain, settings; and of a part of the objects, another one every day, "
        "locks, bytes and rows. So every byte is read again within 30 days; small archives are "
        "read whole. Where the base root is on this host, rows are decrypted and their leaves "
        "compared; without it, all the rest is checked. Alarms end it with 20.\n\n"
        "将存储与封存时的承诺比对：全部版本与删除标记、签名、清单链、存储桶设置；"
        "并每日轮换检查一部分对象的锁、字节与内容，30 天内每个字节都会重读一次，"
        "小档案库则每次全部读取。"
        "本机有根密钥时会解密并核对每笔订单的叶哈希；没有时检查其余各项。有警报时退出码为 20。"
        "\n\n"
        "--offline checks a copy: the folder of a dir: store, or plain files by key as `aws s3 "
        "sync` makes them, which have no versions and no locks.\n\n"
        "--offline 校验副本：dir: 存储的文件夹，或 `aws s3 sync` 得到的普通文件（没有版本和锁）。"
    ),
    examples=(
        "archiver verify                        # from a timer, once a day 每日一次",
        "archiver verify --full                 # everything; interrupted, it goes on 全部",
        "archiver verify --offline /mnt/copy    # a copy 校验副本",
        "archiver verify --offline copy --anchor archive.json   # without a configuration 无配置",
        "archiver verify --json                 # findings[]{code, severity, key, days, orders}",
    ),
)
@click.option("--full", is_flag=True, help="Read everything. 读取全部对象。")
@click.option(
    "--deep",
    is_flag=True,
    help="Compute leaves again, also those that were compared before. 重新计算全部叶哈希。",
)
@click.option(
    "--offline",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Verify a copy in this folder. 校验此文件夹中的副本。",
)
@click.option(
    "--anchor",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --offline: an archive.json that was kept elsewhere. "
    "与 --offline 同用：另行保存的 archive.json。",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    metavar="N",
    help="Processes; default: one for each core, at most 8. 进程数，默认每核一个，至多 8 个。",
)
def verify(
    call: Call,
    *,
    full: bool,
    deep: bool,
    offline: Path | None,
    anchor: Path | None,
    workers: int | None,
) -> Report:
    """Verify."""
    from archiver.errors import RequestError, Said
    from archiver.verification.coverage import coverage_fields
    from archiver.verification.verifying import Verification
    from cli.screen import Bar

    if anchor is not None and offline is None:
        said = Said("--anchor goes with --offline", "--anchor 须与 --offline 同用")
        raise RequestError(detail=said)
    workers = workers or min(len(os.sched_getaffinity(0)), DEFAULT_WORKERS)
    with (
        Bar(sys.stderr, call.words("verify.progress")) as bar,
        _ground(call, offline, anchor, workers, bar) as ground,
    ):
        verified = Verification(ground, full=full or offline is not None, deep=deep).run()
        now = ground.clock.now()
    call.archive = verified.archive

    def show(console: "Console") -> None:
        from cli.views.verified import show_verified

        show_verified(console, call, verified, copy=offline, now=now)

    return Report(
        exit=Exit.ALARM if verified.alarms else Exit.DONE,
        alarms=_alarms(call, verified),
        fields={
            "full": verified.full,
            "opened": verified.opened,
            "offline": str(offline) if offline else None,
            "findings": [_finding(call, one) for one in verified.findings[:LISTED]],
            "finding_counts": _counts(verified.findings),
            "checked": {
                "manifests": verified.manifests,
                "entries": verified.entries,
                "objects": verified.objects,
                "objects_read": verified.objects_read,
                "objects_resumed": verified.resumed,
                "bytes_read": verified.bytes_read,
            },
            "coverage": None if offline else coverage_fields(verified.coverage),
        },
        show=show,
    )


def _ground(
    call: Call, offline: Path | None, anchor: Path | None, workers: int, bar: "Progress"
) -> "AbstractContextManager[Ground]":
    from archiver.verifiers import open_offline, open_verification

    if offline is None:
        return open_verification(call.installation(), call.config, workers=workers, progress=bar)
    known = call.installation() if anchor is None or call.config.exists() else None
    return open_offline(known, offline, anchor, workers=workers, progress=bar)


def _alarms(call: Call, verified: "Verified") -> list[Alarm]:
    """Return the first alarms, and how many there are beyond."""
    alarms = [
        Alarm(code=one.code, message=said_in(call, one), next=call.next(one.next))
        for one in verified.alarms[:ALARMS]
    ]
    more = len(verified.alarms) - len(alarms)
    if more:
        message = call.words("verify.more", count=more)
        alarms.append(Alarm(code="more-findings", message=message))
    return alarms


def said_in(call: Call, one: "Finding") -> str:
    """Return a finding's sentence in the reader's language."""
    return one.said.zh if call.language == "zh" else one.said.en


def _finding(call: Call, one: "Finding") -> dict[str, Any]:
    article = one.article.zh if call.language == "zh" else one.article.en
    return {
        "code": one.code,
        "severity": one.severity,
        "key": one.key,
        "version_id": one.version_id,
        "days": [str(day) for day in one.touched.days],
        "orders": one.touched.orders,
        "article": article,
        "message": said_in(call, one),
        "next": call.next(one.next) or None,
    }


def _counts(findings: "list[Finding] | Any") -> dict[str, int]:  # noqa: ANN401  any sequence
    counts = {"alarm": 0, "warning": 0, "note": 0}
    for one in findings:
        counts[one.severity] += 1
    return counts
