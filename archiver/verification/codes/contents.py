"""Codes of what objects and documents hold, and of who signed them. Pure."""

from typing import Final

from archiver.verification.codes.kinds import (
    AVAILABILITY,
    CONFIDENTIALITY,
    COPY,
    INTEGRITY,
    LOGS,
    SIGNED,
    alarm,
)

OF_CONTENTS: Final = {
    "altered": alarm(
        INTEGRITY,
        "The bytes of {key} are not those that were signed ({detail})",
        "{key} 的字节与签名时的不同（{detail}）",
        COPY,
    ),
    "swapped": alarm(
        INTEGRITY,
        "{key} holds the bytes of {other}",
        "{key} 中是 {other} 的字节",
        COPY,
    ),
    "footer-swapped": alarm(
        INTEGRITY,
        "{key} ends with the footer of {other}",
        "{key} 的文件尾属于 {other}",
        COPY,
    ),
    "footer-altered": alarm(
        INTEGRITY,
        "The footer of {key} is not the one that was signed",
        "{key} 的文件尾与签名时的不同",
        COPY,
    ),
    "plaintext": alarm(
        CONFIDENTIALITY,
        "{key} is an unencrypted Parquet file",
        "{key} 是未加密的 Parquet 文件",
        COPY,
    ),
    "foreign-file": alarm(
        INTEGRITY,
        "{key} is no encrypted Parquet file",
        "{key} 不是加密的 Parquet 文件",
        COPY,
    ),
    "not-decrypting": alarm(
        INTEGRITY,
        "{key} is as it was signed and does not decrypt: {detail}",
        "{key} 与签名时一致，但无法解密：{detail}",
    ),
    "leaves-differ": alarm(
        INTEGRITY,
        "The rows of {key} do not have the Merkle root that was signed",
        "{key} 中的行与签名的 Merkle 根不符",
    ),
    "rows-differ": alarm(
        INTEGRITY,
        "{key} has {found} rows instead of {expected}",
        "{key} 有 {found} 行，应为 {expected} 行",
    ),
    "segment-differs": alarm(
        INTEGRITY,
        "{key} describes another partition than the one that its manifest names",
        "{key} 描述的分区与清单所引用的不同",
        "archiver rebuild-index --deep",
    ),
    "unreadable": alarm(
        AVAILABILITY,
        "{key} cannot be read: {detail}",
        "无法读取 {key}：{detail}",
    ),
}

OF_TRUST: Final = {
    "another-archive": alarm(
        INTEGRITY,
        "{key} is not the document that this host knows: another archive's, or forged",
        "{key} 与本机所知的文档不同：属于其他档案库，或系伪造",
        "archiver status",
    ),
    "archive-missing": alarm(
        AVAILABILITY,
        "{key} is not in the store",
        "存储中没有 {key}",
        COPY,
    ),
    "signer-unknown": alarm(
        SIGNED,
        "{key} is signed by a key that the identity key has not certified ({signer})",
        "{key} 由未经身份密钥认证的密钥签名（{signer}）",
    ),
    "signer-revoked": alarm(
        SIGNED,
        "{key} is signed by signer {signer}, who was revoked before that",
        "{key} 由签名者 {signer} 签名，而该签名者此前已被吊销",
    ),
    "signature-invalid": alarm(
        SIGNED,
        "The signature of {key} does not hold",
        "{key} 的签名无效",
        COPY,
    ),
    "malformed": alarm(
        INTEGRITY,
        "{key} is no such document: {detail}",
        "{key} 不是应有的文档：{detail}",
        COPY,
    ),
    "misplaced": alarm(
        INTEGRITY,
        "{key} is a signed document of another archive or place",
        "{key} 是属于其他档案库或位置的已签名文档",
        COPY,
    ),
    "cohort-missing": alarm(
        AVAILABILITY,
        "{key} is gone, and with it the keys of {objects} objects",
        "{key} 已不存在，{objects} 个对象的密钥随之丢失",
        COPY,
    ),
    "key-closed": alarm(
        AVAILABILITY,
        "A key in {key} does not open: {detail}",
        "{key} 中的密钥无法打开：{detail}",
    ),
    "key-swapped": alarm(
        INTEGRITY,
        "The private half {name} in {key} does not belong to its public half",
        "{key} 中的私钥 {name} 与其公钥不成对",
    ),
}

OF_THE_ACCESS_LOG: Final = {
    code: alarm(LOGS, "Access log of {node}: {detail}", "{node} 的访问日志：{detail}", following)
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
