"""What witnesses and time-stamping authorities do, or leave undone."""

from archiver.errors.base import ArchiverError, Exit


class NoAnswerError(ArchiverError):
    """A witness or an authority gave no answer; asking again is safe."""

    exit = Exit.TRY_LATER
    code = "no-answer"
    en = "{place} did not answer: {detail}"
    zh = "{place} 没有应答：{detail}"
    next = "archiver status"


class AnswerRefusedError(ArchiverError):
    """A witness or an authority answered, and what it said is not what was asked for."""

    exit = Exit.TRY_LATER
    code = "answer-refused"
    en = "What {place} answered cannot be used: {detail}"
    zh = "{place} 的应答无法使用：{detail}"
    next = "archiver status"


class WitnessLateError(ArchiverError):
    """A witness has not confirmed what was sealed for more than a day; nothing waits for it."""

    exit = Exit.TRY_LATER
    code = "witness-late"
    en = (
        "Witness {witness} has confirmed nothing since {since}, its last checkpoint is {held} "
        "of {size}: {detail}"
    )
    zh = "见证方 {witness} 自 {since} 起未再确认，其最近的检查点为 {held}（现为 {size}）：{detail}"
    next = "archiver status"


class TimestampLateError(ArchiverError):
    """An authority has not stamped a checkpoint for more than a day; nothing waits for it."""

    exit = Exit.TRY_LATER
    code = "timestamp-late"
    en = (
        "Time-stamping authority {authority} has stamped nothing since {since}, {waiting} "
        "checkpoints wait: {detail}"
    )
    zh = "时间戳机构 {authority} 自 {since} 起未签发时间戳，{waiting} 个检查点等待中：{detail}"
    next = "archiver status"


class WitnessAheadError(ArchiverError):
    """A witness remembers more than the store has: the ledger was set back, or is another one."""

    exit = Exit.ALARM
    code = "witness-ahead"
    en = (
        "Witness {witness} knows a checkpoint of {held} entries, the store's ledger has {size}: "
        "it was set back to an earlier state. Find out who did it before anything is mended"
    )
    zh = (
        "见证方 {witness} 持有含 {held} 条记录的检查点，而存储中的账本只有 {size} 条："
        "账本被恢复到较早的状态。请先查明何人所为，再行修复"
    )
    next = "archiver status"


class SplitViewError(ArchiverError):
    """A witness was told another history than the store's."""

    exit = Exit.ALARM
    code = "split-view"
    en = (
        "Witness {witness} knows another history than the store's ledger at {held} entries: "
        "{detail}. Somebody has rewritten the ledger, or signs two of them"
    )
    zh = (
        "见证方 {witness} 在 {held} 条记录处所知的历史与存储中的账本不同：{detail}。"
        "有人改写了账本，或同时签署了两个账本"
    )
    next = "archiver status"


class WitnessLostError(ArchiverError):
    """A witness no longer knows what it confirmed. It is told again, and somebody must look."""

    exit = Exit.ALARM
    code = "witness-lost"
    en = (
        "Witness {witness} has forgotten: it confirmed {confirmed} entries and now knows {held}. "
        "It was told again. Find out who set it back"
    )
    zh = (
        "见证方 {witness} 丢失了记忆：曾确认 {confirmed} 条记录，现只知 {held} 条。"
        "已重新告知，请查明何人将其恢复到较早状态"
    )
    next = "archiver status"
