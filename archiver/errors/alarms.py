"""Exit 20: somebody must look at it today."""

from archiver.errors.base import ArchiverError, Exit


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


class ForeignObjectError(ArchiverError):
    """Something that none of our signers signed lies where our next document belongs.

    It stays there, and ours is written above it: of several versions the earliest that verifies
    counts.
    """

    exit = Exit.ALARM
    code = "foreign-object"
    en = (
        "{key}: somebody who may write to the store has put something foreign there; it counts for "
        "nothing, and nights go on above it. Change the store's credentials"
    )
    zh = (
        "{key}：有人凭存储的写入权限放入了外来文件；其不计入档案，夜间任务越过它继续。"
        "请更换存储凭证"
    )
    next = "archiver verify"


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


class RollbackError(ArchiverError):
    """The ledger in the store is not the one that was seen before: set back, or another one."""

    exit = Exit.ALARM
    code = "rollback"
    en = (
        "The ledger in the store contradicts what was seen before: {detail}. Nothing is added to "
        "it until somebody has found out who set it back"
    )
    zh = "存储中的账本与此前所见相矛盾：{detail}。在查明何人将其回退之前，不再追加任何条目"
    next = "archiver verify"


class SightedAlteredError(ArchiverError):
    """Orders are not what they were when they were sighted, before their night."""

    exit = Exit.ALARM
    code = "sighted-altered"
    en = (
        "{count} orders of source {source} were changed behind the archive's back, after they had "
        "ended and before their night: {orders}. What was sighted stays on record; what is "
        "sealed is what was found. Find out who changed them"
    )
    zh = (
        "数据源 {source} 中有 {count} 个订单在完成之后、封存之前被改动：{orders}。"
        "留痕予以保留；封存的是封存时所见的内容。请查明是谁改动了它们"
    )
    next = "archiver sight --compare --source {source}"


class SightedGoneError(ArchiverError):
    """Orders that were sighted are no longer in the source, and were never sealed so."""

    exit = Exit.ALARM
    code = "sighted-gone"
    en = (
        "{count} orders of source {source} were sighted after their end and are gone, by the day "
        "of their sighting: {days} ({orders}). Find out who removed them, or whether the database "
        "was restored"
    )
    zh = (
        "数据源 {source} 中有 {count} 个订单在完成后已留痕，现已消失，按其留痕日：{days}"
        "（{orders}）。请查明是谁删除了它们，或数据库是否被还原"
    )
    next = "archiver sight --compare --source {source}"
