"""Codes of what was there before: manifests, ledger, and those outside who remember. Pure."""

from typing import Final

from archiver.verification.codes.kinds import (
    COPY,
    INTEGRITY,
    PERIOD,
    SIGNED,
    alarm,
    note,
    warning,
)

OF_THE_CHAIN: Final = {
    "manifest-missing": alarm(
        INTEGRITY,
        "{key} is missing, and later manifests exist",
        "缺少 {key}，而其后的清单存在",
        COPY,
    ),
    "chain-broken": alarm(
        INTEGRITY,
        "{key} does not continue the manifest before it",
        "{key} 与前一份清单不衔接",
        COPY,
    ),
    "rewritten": alarm(
        INTEGRITY,
        "{key} is not the one that {who} has seen before: two histories",
        "{key} 与 {who} 此前所见的不同：存在两个历史",
        COPY,
    ),
    "rollback": alarm(
        INTEGRITY,
        "The archive ends before {key}, which {who} has seen: it was set back to an older state",
        "档案库止于 {key} 之前，而 {who} 曾见过它：已被退回到较早的状态",
        COPY,
    ),
    "missing-day": alarm(
        PERIOD,
        "{source} {days}: was sealed, and its manifest is gone",
        "{source} {days}：曾经封存，其清单已不存在",
        COPY,
    ),
    "day-not-sealed": warning(
        PERIOD,
        "{source} {days}: not sealed yet",
        "{source} {days}：尚未封存",
        "archiver nightly",
    ),
    "counts-differ": alarm(
        INTEGRITY,
        "{key} counts {expected} {what}, and the objects that it names hold {found}",
        "{key} 记载 {expected} 个 {what}，其引用的对象中有 {found} 个",
    ),
    "named-twice": alarm(
        INTEGRITY,
        "{key} is named by two manifests ({first} and {second})",
        "{key} 被两份清单引用（{first} 与 {second}）",
    ),
}

OF_THE_LEDGER: Final = {
    "ledger-part-missing": alarm(
        INTEGRITY,
        "{key} is missing, and later parts of the ledger exist",
        "缺少 {key}，而账本其后的部分存在",
        COPY,
    ),
    "ledger-forked": alarm(
        INTEGRITY,
        "{key} continues another ledger than the one in front of it",
        "{key} 延续的不是其前的账本",
        COPY,
    ),
    "ledger-broken": alarm(
        INTEGRITY,
        "The ledger does not hold: {detail}",
        "账本不成立：{detail}",
        COPY,
    ),
    "ledger-gap": alarm(
        INTEGRITY,
        "The ledger leaves out {what}",
        "账本遗漏了 {what}",
        COPY,
    ),
    "ledger-behind": warning(
        INTEGRITY,
        "{what} is not in the ledger yet; the next night takes it in",
        "{what} 尚未写入账本，下一次夜间任务会写入",
        "archiver nightly",
    ),
    "checkpoint-replayed": alarm(
        INTEGRITY,
        "{key} holds the checkpoint of {size} entries",
        "{key} 中是 {size} 条时的检查点",
        COPY,
    ),
    "checkpoint-differs": alarm(
        INTEGRITY,
        "{key} was signed over other entries than the ledger has: two histories",
        "{key} 签署的条目与账本不同：存在两个历史",
        COPY,
    ),
    "checkpoint-missing": alarm(
        INTEGRITY,
        "There is no checkpoint of {size} entries, and the ledger goes on behind them",
        "缺少 {size} 条时的检查点，而账本其后仍有条目",
        COPY,
    ),
    "checkpoint-unsigned": note(
        INTEGRITY,
        "The ledger's last {size} entries have no checkpoint yet; the next night signs it",
        "账本最后 {size} 条尚无检查点，下一次夜间任务会签署",
        "archiver nightly",
    ),
    "entry-missing": alarm(
        INTEGRITY,
        "{key} is in the ledger as entry {number}, and no longer in the store",
        "{key} 是账本第 {number} 条，但存储中已不存在",
        COPY,
    ),
    "entry-differs": alarm(
        INTEGRITY,
        "{key} is not the document that the ledger has as entry {number}",
        "{key} 与账本第 {number} 条记载的文档不同",
        COPY,
    ),
}

OF_OUTSIDERS: Final = {
    "witness-ahead": alarm(
        INTEGRITY,
        "{key} is not the last one: {detail}",
        "{key} 并非最后一个：{detail}",
        "archiver status",
    ),
    "split-view": alarm(
        INTEGRITY,
        "{key} is not what others were told: {detail}",
        "{key} 与他人所见不同：{detail}",
        "archiver status",
    ),
    "witness-lost": alarm(
        INTEGRITY,
        "Witness {witness} confirmed {confirmed} entries before and now knew {held}: it was set "
        "back",
        "见证方 {witness} 此前确认过 {confirmed} 条，现只知 {held} 条：已被恢复到较早状态",
        "archiver status",
    ),
    "witness-silent": warning(
        INTEGRITY,
        "Witness {witness} says nothing: {detail}",
        "见证方 {witness} 没有表态：{detail}",
        "archiver status",
    ),
    "cosignature-invalid": alarm(
        SIGNED,
        "{key} is no signature of witness {witness} under that checkpoint",
        "{key} 不是见证方 {witness} 对该检查点的签名",
        COPY,
    ),
    "timestamp-invalid": alarm(
        SIGNED,
        "{key} does not hold as a time stamp of {authority}: {detail}",
        "{key} 作为 {authority} 的时间戳不成立：{detail}",
        COPY,
    ),
}
