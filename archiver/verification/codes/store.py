"""Codes of the store: versions and markers, locks, settings of the bucket. Pure."""

from typing import Final

from archiver.verification.codes.kinds import (
    AVAILABILITY,
    CONFIDENTIALITY,
    COPY,
    FULL,
    INTEGRITY,
    PERIOD,
    PROVE,
    SHORTEST,
    alarm,
    note,
    warning,
)

OF_VERSIONS: Final = {
    "delete-marker": alarm(
        AVAILABILITY,
        "{key} is hidden behind a delete marker; its locked versions are below it. Delete the "
        "marker {version}, and find out who may delete",
        "{key} 被删除标记隐藏，其锁定的版本仍在其下。请删除标记 {version}，并查明谁有删除权限",
    ),
    "shadowed": alarm(
        INTEGRITY,
        "{key} has a newer version {version}, which whoever does not ask by version id gets; the "
        "one that counts is below it",
        "{key} 有较新的版本 {version}，不按版本号读取者会得到它；有效的版本在其下",
    ),
    "other-version": alarm(
        INTEGRITY,
        "{key} has a version {version} that no manifest names",
        "{key} 有一个未被任何清单引用的版本 {version}",
    ),
    "two-manifests": alarm(
        INTEGRITY,
        "{key} has two versions that both verify; {version} is not the first and does not count. "
        "Two runs sealed past each other, or somebody holds a signing key",
        "{key} 有两个均通过校验的版本；{version} 不是最早的，不计入。可能有两个任务未被隔离，"
        "或有人持有签名密钥",
    ),
    "repeated-version": note(
        INTEGRITY,
        "{key} was stored twice with equal bytes ({version}): a repeated request, harmless",
        "{key} 以相同字节存储了两次（{version}）：请求重复，无害",
    ),
    "object-missing": alarm(
        AVAILABILITY,
        "{key} is not there in the version {version} that its manifest names",
        "{key} 缺少清单所引用的版本 {version}",
        COPY,
    ),
    "foreign-object": warning(
        INTEGRITY,
        "{key} is nothing that an archive writes; it counts for nothing",
        "{key} 不是档案库写入的内容，不计入",
        "archiver status --orphans",
    ),
    "orphan": note(
        SHORTEST,
        "{key} is named by no manifest: a crash left it, and nobody can read it",
        "没有清单引用 {key}：崩溃的残留，无人能读取",
        "archiver status --orphans",
    ),
}

OF_LOCKS: Final = {
    "lock-mode": alarm(
        PERIOD,
        "{key} is not under a COMPLIANCE lock: {detail}",
        "{key} 未处于 COMPLIANCE 锁定：{detail}",
        PROVE,
    ),
    "lock-too-short": alarm(
        PERIOD,
        "{key} is locked until {until} only; {promised} was promised",
        "{key} 仅锁定至 {until}，承诺为 {promised}",
        PROVE,
    ),
    "lock-too-long": alarm(
        SHORTEST,
        "{key} is locked until {until}, longer than the {promised} that was promised, and nobody "
        "can shorten it",
        "{key} 锁定至 {until}，晚于承诺的 {promised}，且无人能缩短",
        FULL,
    ),
    "promise-too-short": alarm(
        PERIOD,
        "{key} is promised until {promised}; its orders must be kept until {until}",
        "{key} 承诺保存至 {promised}，其中订单须保存至 {until}",
    ),
    "promise-too-long": alarm(
        SHORTEST,
        "{key} is promised until {promised}; its orders are due on {until}",
        "{key} 承诺保存至 {promised}，其中订单于 {until} 到期",
    ),
    "hold-unexpected": alarm(
        SHORTEST,
        "{key} is under a legal hold of the store that nobody has recorded here",
        "{key} 处于存储的证据保全（legal hold）状态，但此处没有相应记录",
    ),
    "lock-not-proven": alarm(
        PERIOD,
        "The store's lock is not proven: {detail}",
        "存储的锁未经证明：{detail}",
        PROVE,
    ),
    "lock-proof-old": warning(
        PERIOD,
        "The last proof of the store's lock is {days} days old",
        "存储锁的最近一次证明已过去 {days} 天",
        PROVE,
    ),
}

OF_SETTINGS: Final = {
    "versioning-suspended": alarm(
        INTEGRITY,
        "Versioning of the bucket is suspended: an overwrite destroys what it replaces",
        "存储桶的版本控制已暂停：覆盖写入会毁掉原有内容",
        PROVE,
    ),
    "object-lock-off": alarm(
        PERIOD,
        "Object Lock of the bucket is off",
        "存储桶未启用 Object Lock",
        PROVE,
    ),
    "clock": alarm(
        PERIOD,
        "This host's clock and the store's differ by {seconds} s",
        "本机时钟与存储时钟相差 {seconds} 秒",
        "timedatectl status",
    ),
    "default-lock-overlong": warning(
        SHORTEST,
        "What is put without a lock of its own is locked for {detail}, longer than all of ours",
        "未指定锁的写入将默认锁定 {detail}，超过本档案库的最长期限",
        PROVE,
    ),
    "default-lock": note(
        SHORTEST,
        "What is put without a lock of its own is locked for {detail}",
        "未指定锁的写入将默认锁定 {detail}",
    ),
    "lifecycle-hides": warning(
        AVAILABILITY,
        "Life-cycle rule {detail} hides objects behind delete markers",
        "生命周期规则 {detail} 会用删除标记隐藏对象",
        PROVE,
    ),
    "lifecycle-deletes": warning(
        AVAILABILITY,
        "Life-cycle rule {detail} deletes hidden versions when their lock ends",
        "生命周期规则 {detail} 会在锁到期时删除非当前版本",
        PROVE,
    ),
    "lifecycle-puts-to-sleep": warning(
        AVAILABILITY,
        "Life-cycle rule {detail}: objects there take hours to read",
        "生命周期规则 {detail}：该类存储需数小时才能读取",
        PROVE,
    ),
    "lifecycle-moves": note(
        AVAILABILITY,
        "Life-cycle rule {detail}: objects are moved to another storage class",
        "生命周期规则 {detail}：对象会转移到其他存储类别",
    ),
    "uploads-never-aborted": note(
        SHORTEST,
        "No life-cycle rule removes uploads that were never completed",
        "没有生命周期规则清理未完成的分段上传",
    ),
    "policy-public": alarm(
        CONFIDENTIALITY,
        "The bucket policy lets anybody in",
        "存储桶策略允许任何人访问",
        PROVE,
    ),
    "policy": note(
        AVAILABILITY,
        "The bucket has a policy",
        "存储桶设有策略",
    ),
    "policy-not-understood": note(
        AVAILABILITY,
        "The bucket policy could not be read as one",
        "无法解析存储桶策略",
    ),
    "encryption-key-can-be-lost": warning(
        AVAILABILITY,
        "The server encrypts under {detail}: whoever deletes that key destroys what is written "
        "from now on, whatever is locked",
        "服务器使用 {detail} 加密：删除该密钥即毁掉此后写入的内容，锁无法防范",
        PROVE,
    ),
    "unreadable-setting": note(
        AVAILABILITY,
        "A setting may not be read: {detail}",
        "无权读取的设置：{detail}",
    ),
    "asleep": warning(
        AVAILABILITY,
        "{key} lies in the storage class {detail}, which takes hours to read",
        "{key} 位于存储类别 {detail}，需数小时才能读取",
    ),
}
