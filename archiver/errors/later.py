"""Exit 10: the same command may work later."""

from archiver.errors.base import ArchiverError, Exit


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


class WorkerLostError(ArchiverError):
    """A worker process ended in the middle of its work: killed, or out of memory."""

    exit = Exit.TRY_LATER
    code = "worker-lost"
    en = (
        "A worker process ended before its time: {detail}. What has a manifest counts; "
        "the same command goes on from there, perhaps with fewer --workers"
    )
    zh = (
        "一个工作进程提前结束：{detail}。已有清单的内容有效；"
        "用相同命令可从该处继续，必要时减少 --workers"
    )
    next = "archiver status"


class ClusterUnavailableError(ArchiverError):
    """The Dask cluster that should do the work is not there."""

    exit = Exit.TRY_LATER
    code = "cluster-unavailable"
    en = "The cluster at {address} cannot be used: {detail}"
    zh = "无法使用位于 {address} 的集群：{detail}"
    next = "archiver backfill --help"


class SightLateError(ArchiverError):
    """This host used to look for what has just ended, and has not done so for a while."""

    exit = Exit.TRY_LATER
    code = "sight-late"
    en = (
        "No look at what has just ended was made for {hours} h on this host: orders can be changed "
        "unseen until their night. See to the timer; if this host is not to look any more, "
        "remove {path}"
    )
    zh = (
        "本机已有 {hours} 小时未为刚完成的订单留痕：在封存之前，订单可能被改动而不被察觉。"
        "请检查定时任务；若本机不再负责留痕，请删除 {path}"
    )
    next = "archiver sight"


class LocalDiskError(ArchiverError):
    """The local disk is full or cannot be written."""

    exit = Exit.TRY_LATER
    code = "local-disk"
    en = "The local disk cannot be written: {detail}"
    zh = "本地磁盘无法写入：{detail}"
    next = "archiver nightly"
