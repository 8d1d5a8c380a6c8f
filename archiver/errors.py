"""Every error that a caller may meet, sorted by what the caller does next (DESIGN 3.16).

An error carries a fixed code for programs, a sentence in English and one in Chinese that say
what happened and to which days or orders, and the command to run next. Values that come from
a source (card secrets, passwords, row contents) never become part of an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Process exit codes; the highest alarm wins: 20 > 11 > 10 > 3."""

    DONE = 0
    BUG = 1
    FIX_REQUEST = 2
    REJECTS = 3
    TRY_LATER = 10
    FORBIDDEN = 11
    ALARM = 20
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Said:
    """A detail in both languages."""

    en: str
    zh: str

    def __str__(self) -> str:
        """Return the English one, for logs."""
        return self.en


class ArchiverError(Exception):
    """What all our errors share. Subclasses fill in the class attributes.

    Templates are `str.format` strings over the keyword arguments given when raising, which
    must be harmless: names, keys, days, counts. What is a sentence itself is `Said`.
    """

    exit: ClassVar[Exit] = Exit.BUG
    code: ClassVar[str] = "bug"
    en: ClassVar[str] = "{detail}"
    zh: ClassVar[str] = "{detail}"
    next: ClassVar[str] = ""

    def __init__(self, **params: object) -> None:
        """Keep the facts; the sentence is made in the reader's language."""
        self.params: Mapping[str, object] = params
        super().__init__(self.text("en"))

    def text(self, language: str) -> str:
        """Return the sentence in `zh` or `en`."""
        chinese = language == "zh"
        params = {
            name: (value.zh if chinese else value.en) if isinstance(value, Said) else value
            for name, value in self.params.items()
        }
        return (self.zh if chinese else self.en).format(**params)

    @property
    def next_command(self) -> str:
        """The command to run next, or an empty string."""
        return self.next.format(**self.params)


# --- 2: fix the request or the configuration -------------------------------------------------


class ConfigurationError(ArchiverError):
    """The configuration, a mapping or a request cannot be used as it is."""

    exit = Exit.FIX_REQUEST
    code = "configuration"
    en = "Configuration: {detail}"
    zh = "配置有误：{detail}"
    next = "archiver init --template"


class RequestError(ConfigurationError):
    """A command was asked for something that cannot be; the configuration is not at fault."""

    code = "request"
    en = "This cannot be done: {detail}"
    zh = "无法执行：{detail}"
    next = "archiver status"


class MappingError(ConfigurationError):
    """A mapping does not fit itself or the source's columns."""

    code = "mapping"
    en = "Mapping of source {source}: {detail}"
    zh = "数据源 {source} 的映射有误：{detail}"
    next = "archiver source check --source {source}"


class SourceAccessError(ArchiverError):
    """The source refuses us: wrong password, unknown database, missing right."""

    exit = Exit.FIX_REQUEST
    code = "source-access"
    en = "Source {source} refuses access: {detail}"
    zh = "数据源 {source} 拒绝访问：{detail}"
    next = "archiver source check --source {source}"


class SourceGoneError(ArchiverError):
    """Orders of this source are sealed, and the configuration names it no longer.

    2, not 20: nothing lies and only the configuration can mend it. And where a shop was closed for
    good this stays for years: it must not hide what else a night has to say.
    """

    exit = Exit.FIX_REQUEST
    code = "source-gone"
    en = (
        "Source {source} is sealed up to {day}, and the configuration names it no longer; if "
        "another one continues it: archiver source retire {source} --successor NAME"
    )
    zh = (
        "数据源 {source} 已封存至 {day}，但配置中已无此数据源；若由其他数据源接替："
        "archiver source retire {source} --successor 名称"
    )
    next = "archiver status"


class SourceRetiredError(ArchiverError):
    """The configuration names a source that was retired: its orders would be sealed twice."""

    exit = Exit.FIX_REQUEST
    code = "source-retired"
    en = (
        "Source {source} was retired on {day}, {successor} continues it; nothing is sealed under "
        "the old name. Take its [[source]] out of the configuration"
    )
    zh = (
        "数据源 {source} 已于 {day} 退役，由 {successor} 接替；不再以旧名封存。"
        "请从配置中删除其 [[source]]"
    )
    next = "archiver status"


class NotInitialisedError(ArchiverError):
    """There is no archive at this place, or this host does not know it."""

    exit = Exit.FIX_REQUEST
    code = "not-initialised"
    en = "No archive here: {detail}"
    zh = "此处没有档案库：{detail}"
    next = "archiver init"


class AlreadyInitialisedError(ArchiverError):
    """`init` met an archive or key files that it must not replace."""

    exit = Exit.FIX_REQUEST
    code = "already-initialised"
    en = "Already initialised, nothing was changed: {detail}"
    zh = "已初始化，未作任何更改：{detail}"
    next = "archiver status"


class KeyUnavailableError(ArchiverError):
    """A private key that this command needs is not on this host or cannot be opened."""

    exit = Exit.FIX_REQUEST
    code = "key-unavailable"
    en = "The {key} key cannot be used: {detail}"
    zh = "无法使用{key}密钥：{detail}"
    next = "archiver status"


class StoreAccessError(ArchiverError):
    """The store refuses us: wrong credentials, no such bucket, missing right."""

    exit = Exit.FIX_REQUEST
    code = "store-access"
    en = "The store refuses access: {detail}"
    zh = "存储拒绝访问：{detail}"
    next = "archiver status"


class StateAccessError(ArchiverError):
    """The state database refuses us: wrong password, unknown database, missing right."""

    exit = Exit.FIX_REQUEST
    code = "state-access"
    en = "The state database {place} refuses access: {detail}"
    zh = "状态数据库 {place} 拒绝访问：{detail}"
    next = "archiver status"


class StateVersionError(ArchiverError):
    """Tables of the state database are of another version of this software."""

    exit = Exit.FIX_REQUEST
    code = "state-version"
    en = (
        "The state database's tables {part} are of version {found}, this software knows {known}: "
        "install the version that made them"
    )
    zh = "状态数据库中 {part} 的表为第 {found} 版，本软件只识别第 {known} 版：请安装创建它的版本"
    next = "archiver --version"


class LockProofInconclusiveError(ArchiverError):
    """The prover's credentials may not do what the lock is to refuse: nothing was proven."""

    exit = Exit.FIX_REQUEST
    code = "lock-proof-inconclusive"
    en = (
        "The lock is not proven: these credentials are refused also where no lock stands in the "
        "way ({attacks}). Give credentials that may delete, under [prover] in archiver.toml"
    )
    zh = (
        "锁尚未得到证明：即使没有锁，当前凭证也会被拒绝（{attacks}）。"
        "请在 archiver.toml 的 [prover] 中提供具有删除权限的凭证"
    )
    next = "archiver prove-lock"


class StatementError(ArchiverError):
    """A payment provider's statement is damaged, incomplete or unknown; nothing was compared."""

    exit = Exit.FIX_REQUEST
    code = "statement"
    en = "The statement {file} cannot be used: {detail}"
    zh = "账单 {file} 无法使用：{detail}"
    next = "archiver reconcile --help"


class StatementAccountError(StatementError):
    """The statement is of an account that is not the shop's."""

    code = "statement-account"
    en = "The statement {file} is of another account: {detail}"
    zh = "账单 {file} 属于其他账户：{detail}"


class IndexStaleError(ArchiverError):
    """The local index does not know what was sealed since; an answer would be in part."""

    exit = Exit.FIX_REQUEST
    code = "index-stale"
    en = "The local index ends at manifest {known}, the archive at {manifest}"
    zh = "本地索引止于第 {known} 号清单，而档案已至第 {manifest} 号"
    next = "archiver update-index"


class IndexUnusableError(ArchiverError):
    """The local index is missing, damaged, or of another archive; there is no answer from it."""

    exit = Exit.FIX_REQUEST
    code = "index-unusable"
    en = "The local index cannot be used: {detail}"
    zh = "本地索引无法使用：{detail}"
    next = "archiver rebuild-index"


# --- 10: try again later ----------------------------------------------------------------------


class SourceUnavailableError(ArchiverError):
    """The source is down, slow or died half-way."""

    exit = Exit.TRY_LATER
    code = "source-unavailable"
    en = "Source {source} did not answer: {detail}"
    zh = "数据源 {source} 没有响应：{detail}"
    next = "archiver nightly"


class StoreError(ArchiverError):
    """Nothing is known about what the store did; calling again is safe."""

    exit = Exit.TRY_LATER
    code = "store-unavailable"
    en = "The store did not do it ({key}): {detail}"
    zh = "存储未完成操作（{key}）：{detail}"
    next = "archiver nightly"


class StateUnavailableError(ArchiverError):
    """The state database is down, busy or broke off; look before doing it again."""

    exit = Exit.TRY_LATER
    code = "state-unavailable"
    en = "The state database {place} cannot be used now: {detail}"
    zh = "状态数据库 {place} 暂时不可用：{detail}"
    next = "archiver status"


class KeyServiceError(ArchiverError):
    """The key service is down or slow; calling again is safe."""

    exit = Exit.TRY_LATER
    code = "key-service-unavailable"
    en = "The key service did not answer for the {key} key: {detail}"
    zh = "密钥服务未能处理{key}密钥：{detail}"
    next = "archiver status"


class ObjectMissingError(StoreError):
    """No object with this key and version."""

    code = "object-missing"
    en = "The store has no {key}: {detail}"
    zh = "存储中没有 {key}：{detail}"
    next = "archiver status"


class AlreadyStoredError(StoreError):
    """The key exists with other bytes, which are untouched."""

    code = "already-stored"
    en = "{key} exists already with other content"
    zh = "{key} 已存在且内容不同"


class WebhookDownError(ArchiverError):
    """Whoever is to be told of alarms did not take them; the run itself is not touched by it."""

    exit = Exit.TRY_LATER
    code = "webhook-down"
    en = "The alarm webhook did not take the report, the next run sends it again: {detail}"
    zh = "告警 webhook 未接收报告，下次运行将重新发送：{detail}"
    next = "archiver status"


class AnotherRunError(ArchiverError):
    """Another run holds the archive or took the manifest's number."""

    exit = Exit.TRY_LATER
    code = "another-run"
    en = "Another run is working on this archive: {detail}"
    zh = "另一个任务正在处理此档案库：{detail}"
    next = "archiver status"


class LocalDiskError(ArchiverError):
    """The local disk is full or cannot be written."""

    exit = Exit.TRY_LATER
    code = "local-disk"
    en = "The local disk cannot be written: {detail}"
    zh = "本地磁盘无法写入：{detail}"
    next = "archiver nightly"


# --- 11: the rules forbid it --------------------------------------------------------------------


class LockedError(ArchiverError):
    """The retention lock refuses this, as it must."""

    exit = Exit.FORBIDDEN
    code = "locked"
    en = "{key} is locked until {until}"
    zh = "{key} 已锁定至 {until}"


class RetentionRefusedError(ArchiverError):
    """A lock that cannot be undone would be too long or too short."""

    exit = Exit.FORBIDDEN
    code = "retention-refused"
    en = "Refused to lock: {detail}"
    zh = "拒绝锁定：{detail}"
    next = "archiver source check"


# --- 20: raise the alarm ------------------------------------------------------------------------


class LockNotHonouredError(ArchiverError):
    """The server took the bytes but not the lock, or the bucket cannot lock."""

    exit = Exit.ALARM
    code = "lock-not-honoured"
    en = "The store does not honour the lock on {key}: {detail}"
    zh = "存储未按要求锁定 {key}：{detail}"
    next = "archiver status"


class ClockError(ArchiverError):
    """Our clock and the store's differ by more than five minutes."""

    exit = Exit.ALARM
    code = "clock"
    en = "This host's clock and the store's differ by {seconds} s"
    zh = "本机时钟与存储时钟相差 {seconds} 秒"
    next = "timedatectl status"


class TamperedError(ArchiverError):
    """Bytes do not match what was signed, or a document does not verify."""

    exit = Exit.ALARM
    code = "tampered"
    en = "{key} does not verify: {detail}"
    zh = "{key} 校验未通过：{detail}"
    next = "archiver status"


class StateDamagedError(ArchiverError):
    """The state database is damaged, or is no database."""

    exit = Exit.ALARM
    code = "state-damaged"
    en = "The state database {place} is damaged: {detail}"
    zh = "状态数据库 {place} 已损坏：{detail}"
    next = "archiver status"


class ReadBackError(ArchiverError):
    """What was read back from the store is not what was sealed; no manifest names it."""

    exit = Exit.ALARM
    code = "read-back"
    en = "{key} read back differs from what was sealed: {detail}"
    zh = "{key} 回读内容与封存内容不一致：{detail}"
    next = "archiver nightly"


class LockNotProvenError(ArchiverError):
    """No proof shows that this store's lock holds: none, a failed one, or one too old."""

    exit = Exit.ALARM
    code = "lock-not-proven"
    en = "The store's lock is not proven, nothing is sealed: {detail}"
    zh = "存储的锁未经证明，不进行封存：{detail}"
    next = "archiver prove-lock"


class LockBrokenError(ArchiverError):
    """An attack on a locked object succeeded."""

    exit = Exit.ALARM
    code = "lock-broken"
    en = "The store's lock does not hold against: {attacks}"
    zh = "存储的锁未能抵挡：{attacks}"
    next = "archiver status"


class LockProofOldError(ArchiverError):
    """The last lock proof is older than a week; nights go on until it is 35 days old."""

    exit = Exit.ALARM
    code = "lock-proof-old"
    en = "The last proof of the store's lock is {days} days old; from 35 days on nothing is sealed"
    zh = "存储锁的最近一次证明已过去 {days} 天；超过 35 天将停止封存"
    next = "archiver prove-lock"


class NoFenceError(ArchiverError):
    """The store lets several writers win a key, so two runs could seal the same orders."""

    exit = Exit.ALARM
    code = "no-fence"
    en = (
        "The store does not keep two runs apart (If-None-Match: several writers of one key won) "
        "and nothing else does; nothing is sealed. Give all hosts of this archive one PostgreSQL "
        'database: [state] url = "postgresql://user@host/database" (SQLite is one host\'s only)'
    )
    zh = (
        "存储无法隔离两个同时运行的任务（If-None-Match：同一键有多个写入者成功），也没有其他围栏，"
        "不进行封存。请让此档案库的所有主机使用同一个 PostgreSQL 数据库："
        '[state] url = "postgresql://user@host/database"（SQLite 仅限单机）'
    )
    next = "archiver prove-lock"


class VanishedError(ArchiverError):
    """Sealed orders are gone from the source, and nothing allows that. They stay sealed.

    Told each night while it is so: an order that somebody has deleted is missed by the census
    until `census_days` after its creation. Only tokens of it are known here, and its days.
    """

    exit = Exit.ALARM
    code = "vanished"
    en = (
        "{count} sealed orders are gone from source {source}, by the day of their end: {days}. "
        "They stay sealed. Find out who deleted them, or whether the database was restored; if "
        "that was meant, set purges_after_days or purged_through under its [[source]]"
    )
    zh = (
        "数据源 {source} 中有 {count} 个已封存的订单已消失，按其完成日：{days}。封存内容不受影响。"
        "请查明是谁删除了订单，或数据库是否被还原；若属有意为之，"
        "请在对应的 [[source]] 中设置 purges_after_days 或 purged_through"
    )
    next = "archiver source check --source {source}"


class SourceRestoredError(ArchiverError):
    """Orders are back in a state that was sealed earlier: the database was restored, it seems."""

    exit = Exit.ALARM
    code = "source-restored"
    en = (
        "{count} orders of source {source} are back in an earlier state, which was sealed before "
        "the present one: its database seems to have been restored from a backup. Nothing was "
        "sealed again; the later revisions stay"
    )
    zh = (
        "数据源 {source} 中有 {count} 个订单回到了较早的状态，而更新的状态早已封存："
        "其数据库似乎已从备份还原。未重复封存，较新的版本予以保留"
    )
    next = "archiver source check --source {source}"


class RevisionLosesDataError(ArchiverError):
    """A sealed order changed at the source and now holds less. Both revisions are sealed."""

    exit = Exit.ALARM
    code = "revision-loses-data"
    en = (
        "{count} orders of source {source}, sealed again under {day}, hold fewer deliveries or "
        "card secrets than before ({orders}). The earlier revisions stay sealed. Find out who "
        "emptied them"
    )
    zh = (
        "数据源 {source} 中有 {count} 个订单在 {day} 名下重新封存，其发货记录或卡密少于此前"
        "（{orders}）。较早的版本仍予封存。请查明是谁清空了内容"
    )
    next = "archiver source check --source {source}"


class TooManyRevisionsError(ArchiverError):
    """More known orders changed than a night may seal again; the rest waits, all else is sealed."""

    exit = Exit.ALARM
    code = "too-many-revisions"
    en = (
        "{count} changed orders of source {source} were left for a later night: more than "
        "max_revisions_per_night = {limit} changed. If that many were meant to change (a new "
        "mapping, a migration), raise it under [archive] and run the night again; if not, find "
        "out who changed them"
    )
    zh = (
        "数据源 {source} 中有 {count} 个变更的订单留待以后的夜间任务：变更数超过 "
        "max_revisions_per_night = {limit}。若属有意（新映射、迁移），请在 [archive] 中调高该值，"
        "并重新运行；否则请查明是谁变更了订单"
    )
    next = "archiver nightly"


class FencePassedError(ArchiverError):
    """Manifests were written that the fence did not decide on; the chain counts."""

    exit = Exit.ALARM
    code = "fence-passed"
    en = (
        "Manifest {number} was written past the fence in {place}: another host uses another "
        "database under [state], or this one was set back to an earlier state"
    )
    zh = (
        "第 {number} 号清单绕过了 {place} 中的围栏：另一主机的 [state] 使用了其他数据库，"
        "或此数据库被恢复到较早的状态"
    )
    next = "archiver status"
