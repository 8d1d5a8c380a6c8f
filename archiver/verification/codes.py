"""All codes that a verification can end in: how grave each is, what it puts at risk, what is next.

Pure. Codes are part of the outside contract: none is ever renamed.
"""

from dataclasses import dataclass
from typing import Final, Literal

from archiver.errors import Said

Severity = Literal["alarm", "warning", "note"]

INTEGRITY: Final = Said(
    "E-Commerce Law Art. 31 (integrity), 62", "《电子商务法》第三十一条（完整性）、第六十二条"
)
AVAILABILITY: Final = Said(
    "E-Commerce Law Art. 31 (availability), 62", "《电子商务法》第三十一条（可用性）、第六十二条"
)
CONFIDENTIALITY: Final = Said(
    "E-Commerce Law Art. 31 (confidentiality); PIPL Art. 51",
    "《电子商务法》第三十一条（保密性）；《个人信息保护法》第五十一条",
)
PERIOD: Final = Said(
    "E-Commerce Law Art. 31 (three years)", "《电子商务法》第三十一条（不少于三年）"
)
SHORTEST: Final = Said("PIPL Arts. 19, 47", "《个人信息保护法》第十九条、第四十七条")
SIGNED: Final = Said("E-Signature Law Arts. 5, 8", "《电子签名法》第五条、第八条")
LOGS: Final = Said("Cybersecurity Law Art. 23", "《网络安全法》第二十三条")

_FULL: Final = "archiver verify --full"
_COPY: Final = "archiver verify --offline COPY"
"""Is it whole in a copy?"""
_PROVE: Final = "archiver prove-lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a code means."""

    severity: Severity
    article: Said
    """At risk."""
    en: str
    zh: str
    next: str = ""


def _alarm(article: Said, en: str, zh: str, following: str = _FULL) -> Kind:
    return Kind(severity="alarm", article=article, en=en, zh=zh, next=following)


def _warning(article: Said, en: str, zh: str, following: str = "") -> Kind:
    return Kind(severity="warning", article=article, en=en, zh=zh, next=following)


def _note(article: Said, en: str, zh: str, following: str = "") -> Kind:
    return Kind(severity="note", article=article, en=en, zh=zh, next=following)


_OF_VERSIONS: Final = {
    "delete-marker": _alarm(
        AVAILABILITY,
        "{key} is hidden behind a delete marker; its locked versions are below it. Delete the "
        "marker {version}, and find out who may delete",
        "{key} 被删除标记隐藏，其锁定的版本仍在其下。请删除标记 {version}，并查明谁有删除权限",
    ),
    "shadowed": _alarm(
        INTEGRITY,
        "{key} has a newer version {version}, which whoever does not ask by version id gets; the "
        "one that counts is below it",
        "{key} 有较新的版本 {version}，不按版本号读取者会得到它；有效的版本在其下",
    ),
    "other-version": _alarm(
        INTEGRITY,
        "{key} has a version {version} that no manifest names",
        "{key} 有一个未被任何清单引用的版本 {version}",
    ),
    "two-manifests": _alarm(
        INTEGRITY,
        "{key} has two versions that both verify; {version} is not the first and does not count. "
        "Two runs sealed past each other, or somebody holds a signing key",
        "{key} 有两个均通过校验的版本；{version} 不是最早的，不计入。可能有两个任务未被隔离，"
        "或有人持有签名密钥",
    ),
    "repeated-version": _note(
        INTEGRITY,
        "{key} was stored twice with equal bytes ({version}): a repeated request, harmless",
        "{key} 以相同字节存储了两次（{version}）：请求重复，无害",
    ),
    "object-missing": _alarm(
        AVAILABILITY,
        "{key} is not there in the version {version} that its manifest names",
        "{key} 缺少清单所引用的版本 {version}",
        _COPY,
    ),
    "foreign-object": _warning(
        INTEGRITY,
        "{key} is nothing that an archive writes; it counts for nothing",
        "{key} 不是档案库写入的内容，不计入",
        "archiver status --orphans",
    ),
    "orphan": _note(
        SHORTEST,
        "{key} is named by no manifest: a crash left it, and nobody can read it",
        "没有清单引用 {key}：崩溃的残留，无人能读取",
        "archiver status --orphans",
    ),
}
_OF_CONTENTS: Final = {
    "altered": _alarm(
        INTEGRITY,
        "The bytes of {key} are not those that were signed ({detail})",
        "{key} 的字节与签名时的不同（{detail}）",
        _COPY,
    ),
    "swapped": _alarm(
        INTEGRITY,
        "{key} holds the bytes of {other}",
        "{key} 中是 {other} 的字节",
        _COPY,
    ),
    "footer-swapped": _alarm(
        INTEGRITY,
        "{key} ends with the footer of {other}",
        "{key} 的文件尾属于 {other}",
        _COPY,
    ),
    "footer-altered": _alarm(
        INTEGRITY,
        "The footer of {key} is not the one that was signed",
        "{key} 的文件尾与签名时的不同",
        _COPY,
    ),
    "plaintext": _alarm(
        CONFIDENTIALITY,
        "{key} is an unencrypted Parquet file",
        "{key} 是未加密的 Parquet 文件",
        _COPY,
    ),
    "foreign-file": _alarm(
        INTEGRITY,
        "{key} is no encrypted Parquet file",
        "{key} 不是加密的 Parquet 文件",
        _COPY,
    ),
    "not-decrypting": _alarm(
        INTEGRITY,
        "{key} is as it was signed and does not decrypt: {detail}",
        "{key} 与签名时一致，但无法解密：{detail}",
    ),
    "leaves-differ": _alarm(
        INTEGRITY,
        "The rows of {key} do not have the Merkle root that was signed",
        "{key} 中的行与签名的 Merkle 根不符",
    ),
    "rows-differ": _alarm(
        INTEGRITY,
        "{key} has {found} rows instead of {expected}",
        "{key} 有 {found} 行，应为 {expected} 行",
    ),
    "segment-differs": _alarm(
        INTEGRITY,
        "{key} describes another partition than the one that its manifest names",
        "{key} 描述的分区与清单所引用的不同",
        "archiver rebuild-index --deep",
    ),
    "unreadable": _alarm(
        AVAILABILITY,
        "{key} cannot be read: {detail}",
        "无法读取 {key}：{detail}",
    ),
}
_OF_LOCKS: Final = {
    "lock-mode": _alarm(
        PERIOD,
        "{key} is not under a COMPLIANCE lock: {detail}",
        "{key} 未处于 COMPLIANCE 锁定：{detail}",
        _PROVE,
    ),
    "lock-too-short": _alarm(
        PERIOD,
        "{key} is locked until {until} only; {promised} was promised",
        "{key} 仅锁定至 {until}，承诺为 {promised}",
        _PROVE,
    ),
    "lock-too-long": _alarm(
        SHORTEST,
        "{key} is locked until {until}, longer than the {promised} that was promised, and nobody "
        "can shorten it",
        "{key} 锁定至 {until}，晚于承诺的 {promised}，且无人能缩短",
        _FULL,
    ),
    "promise-too-short": _alarm(
        PERIOD,
        "{key} is promised until {promised}; its orders must be kept until {until}",
        "{key} 承诺保存至 {promised}，其中订单须保存至 {until}",
    ),
    "promise-too-long": _alarm(
        SHORTEST,
        "{key} is promised until {promised}; its orders are due on {until}",
        "{key} 承诺保存至 {promised}，其中订单于 {until} 到期",
    ),
    "hold-unexpected": _alarm(
        SHORTEST,
        "{key} is under a legal hold of the store that nobody has recorded here",
        "{key} 处于存储的证据保全（legal hold）状态，但此处没有相应记录",
    ),
    "lock-not-proven": _alarm(
        PERIOD,
        "The store's lock is not proven: {detail}",
        "存储的锁未经证明：{detail}",
        _PROVE,
    ),
    "lock-proof-old": _warning(
        PERIOD,
        "The last proof of the store's lock is {days} days old",
        "存储锁的最近一次证明已过去 {days} 天",
        _PROVE,
    ),
}
_OF_TRUST: Final = {
    "another-archive": _alarm(
        INTEGRITY,
        "{key} is not the document that this host knows: another archive's, or forged",
        "{key} 与本机所知的文档不同：属于其他档案库，或系伪造",
        "archiver status",
    ),
    "archive-missing": _alarm(
        AVAILABILITY,
        "{key} is not in the store",
        "存储中没有 {key}",
        _COPY,
    ),
    "signer-unknown": _alarm(
        SIGNED,
        "{key} is signed by a key that the identity key has not certified ({signer})",
        "{key} 由未经身份密钥认证的密钥签名（{signer}）",
    ),
    "signer-revoked": _alarm(
        SIGNED,
        "{key} is signed by signer {signer}, who was revoked before that",
        "{key} 由签名者 {signer} 签名，而该签名者此前已被吊销",
    ),
    "signature-invalid": _alarm(
        SIGNED,
        "The signature of {key} does not hold",
        "{key} 的签名无效",
        _COPY,
    ),
    "malformed": _alarm(
        INTEGRITY,
        "{key} is no such document: {detail}",
        "{key} 不是应有的文档：{detail}",
        _COPY,
    ),
    "misplaced": _alarm(
        INTEGRITY,
        "{key} is a signed document of another archive or place",
        "{key} 是属于其他档案库或位置的已签名文档",
        _COPY,
    ),
    "cohort-missing": _alarm(
        AVAILABILITY,
        "{key} is gone, and with it the keys of {objects} objects",
        "{key} 已不存在，{objects} 个对象的密钥随之丢失",
        _COPY,
    ),
    "key-closed": _alarm(
        AVAILABILITY,
        "A key in {key} does not open: {detail}",
        "{key} 中的密钥无法打开：{detail}",
    ),
    "key-swapped": _alarm(
        INTEGRITY,
        "The private half {name} in {key} does not belong to its public half",
        "{key} 中的私钥 {name} 与其公钥不成对",
    ),
}
_OF_THE_CHAIN: Final = {
    "manifest-missing": _alarm(
        INTEGRITY,
        "{key} is missing, and later manifests exist",
        "缺少 {key}，而其后的清单存在",
        _COPY,
    ),
    "chain-broken": _alarm(
        INTEGRITY,
        "{key} does not continue the manifest before it",
        "{key} 与前一份清单不衔接",
        _COPY,
    ),
    "rewritten": _alarm(
        INTEGRITY,
        "{key} is not the one that {who} has seen before: two histories",
        "{key} 与 {who} 此前所见的不同：存在两个历史",
        _COPY,
    ),
    "rollback": _alarm(
        INTEGRITY,
        "The archive ends before {key}, which {who} has seen: it was set back to an older state",
        "档案库止于 {key} 之前，而 {who} 曾见过它：已被退回到较早的状态",
        _COPY,
    ),
    "missing-day": _alarm(
        PERIOD,
        "{source} {days}: was sealed, and its manifest is gone",
        "{source} {days}：曾经封存，其清单已不存在",
        _COPY,
    ),
    "day-not-sealed": _warning(
        PERIOD,
        "{source} {days}: not sealed yet",
        "{source} {days}：尚未封存",
        "archiver nightly",
    ),
    "counts-differ": _alarm(
        INTEGRITY,
        "{key} counts {expected} {what}, and the objects that it names hold {found}",
        "{key} 记载 {expected} 个 {what}，其引用的对象中有 {found} 个",
    ),
    "named-twice": _alarm(
        INTEGRITY,
        "{key} is named by two manifests ({first} and {second})",
        "{key} 被两份清单引用（{first} 与 {second}）",
    ),
}
_OF_THE_LEDGER: Final = {
    "ledger-part-missing": _alarm(
        INTEGRITY,
        "{key} is missing, and later parts of the ledger exist",
        "缺少 {key}，而账本其后的部分存在",
        _COPY,
    ),
    "ledger-forked": _alarm(
        INTEGRITY,
        "{key} continues another ledger than the one in front of it",
        "{key} 延续的不是其前的账本",
        _COPY,
    ),
    "ledger-broken": _alarm(
        INTEGRITY,
        "The ledger does not hold: {detail}",
        "账本不成立：{detail}",
        _COPY,
    ),
    "ledger-gap": _alarm(
        INTEGRITY,
        "The ledger leaves out {what}",
        "账本遗漏了 {what}",
        _COPY,
    ),
    "ledger-behind": _warning(
        INTEGRITY,
        "{what} is not in the ledger yet; the next night takes it in",
        "{what} 尚未写入账本，下一次夜间任务会写入",
        "archiver nightly",
    ),
    "checkpoint-replayed": _alarm(
        INTEGRITY,
        "{key} holds the checkpoint of {size} entries",
        "{key} 中是 {size} 条时的检查点",
        _COPY,
    ),
    "checkpoint-differs": _alarm(
        INTEGRITY,
        "{key} was signed over other entries than the ledger has: two histories",
        "{key} 签署的条目与账本不同：存在两个历史",
        _COPY,
    ),
    "checkpoint-missing": _alarm(
        INTEGRITY,
        "There is no checkpoint of {size} entries, and the ledger goes on behind them",
        "缺少 {size} 条时的检查点，而账本其后仍有条目",
        _COPY,
    ),
    "checkpoint-unsigned": _note(
        INTEGRITY,
        "The ledger's last {size} entries have no checkpoint yet; the next night signs it",
        "账本最后 {size} 条尚无检查点，下一次夜间任务会签署",
        "archiver nightly",
    ),
    "entry-missing": _alarm(
        INTEGRITY,
        "{key} is in the ledger as entry {number}, and no longer in the store",
        "{key} 是账本第 {number} 条，但存储中已不存在",
        _COPY,
    ),
    "entry-differs": _alarm(
        INTEGRITY,
        "{key} is not the document that the ledger has as entry {number}",
        "{key} 与账本第 {number} 条记载的文档不同",
        _COPY,
    ),
}
_OF_OUTSIDERS: Final = {
    "witness-ahead": _alarm(
        INTEGRITY,
        "{key} is not the last one: {detail}",
        "{key} 并非最后一个：{detail}",
        "archiver status",
    ),
    "split-view": _alarm(
        INTEGRITY,
        "{key} is not what others were told: {detail}",
        "{key} 与他人所见不同：{detail}",
        "archiver status",
    ),
    "witness-lost": _alarm(
        INTEGRITY,
        "Witness {witness} confirmed {confirmed} entries before and now knew {held}: it was set "
        "back",
        "见证方 {witness} 此前确认过 {confirmed} 条，现只知 {held} 条：已被恢复到较早状态",
        "archiver status",
    ),
    "witness-silent": _warning(
        INTEGRITY,
        "Witness {witness} says nothing: {detail}",
        "见证方 {witness} 没有表态：{detail}",
        "archiver status",
    ),
    "cosignature-invalid": _alarm(
        SIGNED,
        "{key} is no signature of witness {witness} under that checkpoint",
        "{key} 不是见证方 {witness} 对该检查点的签名",
        _COPY,
    ),
    "timestamp-invalid": _alarm(
        SIGNED,
        "{key} does not hold as a time stamp of {authority}: {detail}",
        "{key} 作为 {authority} 的时间戳不成立：{detail}",
        _COPY,
    ),
}
_OF_SETTINGS: Final = {
    "versioning-suspended": _alarm(
        INTEGRITY,
        "Versioning of the bucket is suspended: an overwrite destroys what it replaces",
        "存储桶的版本控制已暂停：覆盖写入会毁掉原有内容",
        _PROVE,
    ),
    "object-lock-off": _alarm(
        PERIOD,
        "Object Lock of the bucket is off",
        "存储桶未启用 Object Lock",
        _PROVE,
    ),
    "clock": _alarm(
        PERIOD,
        "This host's clock and the store's differ by {seconds} s",
        "本机时钟与存储时钟相差 {seconds} 秒",
        "timedatectl status",
    ),
    "default-lock-overlong": _warning(
        SHORTEST,
        "What is put without a lock of its own is locked for {detail}, longer than all of ours",
        "未指定锁的写入将默认锁定 {detail}，超过本档案库的最长期限",
        _PROVE,
    ),
    "default-lock": _note(
        SHORTEST,
        "What is put without a lock of its own is locked for {detail}",
        "未指定锁的写入将默认锁定 {detail}",
    ),
    "lifecycle-hides": _warning(
        AVAILABILITY,
        "Life-cycle rule {detail} hides objects behind delete markers",
        "生命周期规则 {detail} 会用删除标记隐藏对象",
        _PROVE,
    ),
    "lifecycle-deletes": _warning(
        AVAILABILITY,
        "Life-cycle rule {detail} deletes hidden versions when their lock ends",
        "生命周期规则 {detail} 会在锁到期时删除非当前版本",
        _PROVE,
    ),
    "lifecycle-puts-to-sleep": _warning(
        AVAILABILITY,
        "Life-cycle rule {detail}: objects there take hours to read",
        "生命周期规则 {detail}：该类存储需数小时才能读取",
        _PROVE,
    ),
    "lifecycle-moves": _note(
        AVAILABILITY,
        "Life-cycle rule {detail}: objects are moved to another storage class",
        "生命周期规则 {detail}：对象会转移到其他存储类别",
    ),
    "uploads-never-aborted": _note(
        SHORTEST,
        "No life-cycle rule removes uploads that were never completed",
        "没有生命周期规则清理未完成的分段上传",
    ),
    "policy-public": _alarm(
        CONFIDENTIALITY,
        "The bucket policy lets anybody in",
        "存储桶策略允许任何人访问",
        _PROVE,
    ),
    "policy": _note(
        AVAILABILITY,
        "The bucket has a policy",
        "存储桶设有策略",
    ),
    "policy-not-understood": _note(
        AVAILABILITY,
        "The bucket policy could not be read as one",
        "无法解析存储桶策略",
    ),
    "encryption-key-can-be-lost": _warning(
        AVAILABILITY,
        "The server encrypts under {detail}: whoever deletes that key destroys what is written "
        "from now on, whatever is locked",
        "服务器使用 {detail} 加密：删除该密钥即毁掉此后写入的内容，锁无法防范",
        _PROVE,
    ),
    "unreadable-setting": _note(
        AVAILABILITY,
        "A setting may not be read: {detail}",
        "无权读取的设置：{detail}",
    ),
    "asleep": _warning(
        AVAILABILITY,
        "{key} lies in the storage class {detail}, which takes hours to read",
        "{key} 位于存储类别 {detail}，需数小时才能读取",
    ),
}
_OF_THE_ACCESS_LOG: Final = {
    code: _alarm(LOGS, "Access log of {node}: {detail}", "{node} 的访问日志：{detail}", following)
    for code, following in (
        ("access-edited", "archiver access verify"),
        ("access-cut", "archiver access verify"),
        ("access-restored", "archiver access verify"),
        ("access-forked", "archiver access verify"),
        ("access-part-missing", "archiver access verify"),
        ("access-part-altered", "archiver access verify"),
        ("access-head-altered", "archiver access verify"),
    )
}

KINDS: Final[dict[str, Kind]] = {
    **_OF_VERSIONS,
    **_OF_CONTENTS,
    **_OF_LOCKS,
    **_OF_TRUST,
    **_OF_THE_CHAIN,
    **_OF_THE_LEDGER,
    **_OF_OUTSIDERS,
    **_OF_SETTINGS,
    **_OF_THE_ACCESS_LOG,
}
