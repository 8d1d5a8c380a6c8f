"""Exit 2: the request or the configuration must be mended."""

from archiver.errors.base import ArchiverError, Exit


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


class OlderOrdersError(ArchiverError):
    """A backfill began behind the oldest orders that must be kept: no night looks for them."""

    exit = Exit.FIX_REQUEST
    code = "older-orders"
    en = (
        "Source {source} has about {orders} finished orders from {first} to {last}, which must be "
        "kept; no night looks for days before the first sealed one"
    )
    zh = (
        "数据源 {source} 在 {first} 至 {last} 还有约 {orders} 笔须保存的已完成订单；"
        "夜间任务不会处理首个已封存日之前的日期"
    )
    next = "archiver backfill --from {first} --to {last} --source {source}"


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


class SignerRevokedError(ArchiverError):
    """This host's signing key was revoked: what it signs from then on counts for nobody."""

    exit = Exit.FIX_REQUEST
    code = "signer-revoked"
    en = (
        "Signer {number}, with whose key this host signs, was revoked at {since} UTC: nothing is "
        "sealed. Certify a new key with identity.key at hand: archiver signer add --replace"
    )
    zh = (
        "本机所用的签名者 {number} 已于 {since}（UTC）被吊销，不进行封存。请在 identity.key 可用时"
        "认证新密钥：archiver signer add --replace"
    )
    next = "archiver signer add --replace"


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
