"""The errors of people: who may not, who is not known, what is not recorded.

The same family as `errors`, which it extends: code, two languages, the next command. What a
stranger could learn from a refusal is kept out: a wrong name, password or code is one error.
"""

from archiver.errors import ArchiverError, Exit

# --- 2: fix the request -------------------------------------------------------------------------


class LoginNeededError(ArchiverError):
    """The command needs a person, and nobody is logged in here, or not any more."""

    exit = Exit.FIX_REQUEST
    code = "login-needed"
    en = "Nobody is logged in: {detail}"
    zh = "尚未登录：{detail}"
    next = "archiver login NAME"


class NoOperatorError(LoginNeededError):
    """There is no operator yet: nobody could log in."""

    code = "no-operator"
    en = "There is no operator yet; the owner of the configuration makes the first"
    zh = "尚无操作员；由配置文件的所有者创建首位"
    next = "archiver operator add NAME --role administrator"


class PurposeMissingError(ArchiverError):
    """A question about people's orders has to say why it is asked."""

    exit = Exit.FIX_REQUEST
    code = "purpose-missing"
    en = "Say why: --purpose TEXT, or --case NUMBER of an authority's request"
    zh = "请说明事由：--purpose 文字，或 --case 机关文书编号"


class PasswordRefusedError(ArchiverError):
    """A new password does not meet the rules."""

    exit = Exit.FIX_REQUEST
    code = "password-refused"
    en = "This password cannot be used: {detail}"
    zh = "不能使用此密码：{detail}"


# --- 10: try again later ------------------------------------------------------------------------


class AccessLogUnwritableError(ArchiverError):
    """The access log cannot be written, so there is no answer."""

    exit = Exit.TRY_LATER
    code = "access-log-unwritable"
    en = "The access log cannot be written, so nothing is shown: {detail}"
    zh = "无法写入访问日志，因此不予显示：{detail}"
    next = "archiver access verify"


class OvertakenError(ArchiverError):
    """Other questions of the same person or place were recorded first, and too many of them."""

    exit = Exit.TRY_LATER
    code = "overtaken"
    en = "Too many questions were asked at once; nothing is shown"
    zh = "同时提出的查询过多，不予显示"


class HeadFileError(ArchiverError):
    """The access log's head could not be written where an insider of this host cannot reach it."""

    exit = Exit.TRY_LATER
    code = "access-head-unwritable"
    en = "The head of the access log cannot be written to {path}: {detail}"
    zh = "无法将访问日志的链头写入 {path}：{detail}"
    next = "archiver access head"


class LoginDelayedError(ArchiverError):
    """Too many wrong attempts from here; nothing was checked."""

    exit = Exit.TRY_LATER
    code = "login-delayed"
    en = "Too many wrong attempts from here; try again in {seconds} s"
    zh = "此处的错误尝试过多，请于 {seconds} 秒后重试"


# --- 11: the rules forbid it --------------------------------------------------------------------


class NotAllowedError(ArchiverError):
    """The operator's role does not allow it."""

    exit = Exit.FORBIDDEN
    code = "not-allowed"
    en = "Not allowed: {detail}"
    zh = "不允许：{detail}"


class LoginRefusedError(ArchiverError):
    """Name, password or code is wrong, or the operator is disabled: nobody is told which."""

    exit = Exit.FORBIDDEN
    code = "login-refused"
    en = (
        "Not logged in: name, password or code is wrong. A code works once and for a minute; "
        "if all are right, compare this host's clock with your phone's"
    )
    zh = (
        "未登录：名称、密码或动态码有误。每个动态码只能使用一次，有效约一分钟；"
        "若确认无误，请核对本机与手机的时钟"
    )
    next = "archiver login NAME"


class CodeRefusedError(ArchiverError):
    """A fresh code was asked for, and this one is wrong, old or used."""

    exit = Exit.FORBIDDEN
    code = "code-refused"
    en = "The code is wrong or was used before; wait for the next one"
    zh = "动态码有误或已被使用，请等待下一个"


class CodeNeededError(ArchiverError):
    """A command that takes a fresh code was given none."""

    exit = Exit.FIX_REQUEST
    code = "code-needed"
    en = (
        "{command} takes a fresh code of your phone: the next line of standard input, behind a "
        "password where there is one; or log in again first"
    )
    zh = "{command} 需要新的手机动态码：请在标准输入的下一行给出（有密码时在其后），或先重新登录"
    next = "archiver login NAME"


class ApprovalNeededError(ArchiverError):
    """Somebody else has to agree first."""

    exit = Exit.FORBIDDEN
    code = "approval-needed"
    en = "Request {number} waits for the approval of somebody else ({roles})"
    zh = "请求 {number} 需由他人（{roles}）批准"
    next = "archiver approve {number}"


class SecondFactorNeededError(ArchiverError):
    """The watch wants to know that it is still the operator who asks."""

    exit = Exit.FORBIDDEN
    code = "second-factor-needed"
    en = "Unusual many questions ({detail}): confirm with a fresh code"
    zh = "查询异常频繁（{detail}）：请用新的动态码确认"
    next = "archiver login NAME"


class BlockedError(ArchiverError):
    """The watch has blocked an operator or a place."""

    exit = Exit.FORBIDDEN
    code = "blocked"
    en = "Blocked until compliance releases it ({release}): {detail}"
    zh = "已被阻止，须由合规人员解除（{release}）：{detail}"
    next = "archiver operator release {release}"


# --- 20: raise the alarm ------------------------------------------------------------------------


class AccessLogBrokenError(ArchiverError):
    """The access log here is not the one whose head was told elsewhere."""

    exit = Exit.ALARM
    code = "access-log-broken"
    en = "The access log of node {node} does not hold: {detail}"
    zh = "节点 {node} 的访问日志不完整：{detail}"
    next = "archiver access verify"
