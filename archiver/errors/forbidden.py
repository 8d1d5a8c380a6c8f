"""Exit 11: the rules forbid it."""

from archiver.errors.base import ArchiverError, Exit


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
