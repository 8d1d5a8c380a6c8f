"""What went wrong, as `application/problem+json` (RFC 9457): enough to go on, and nothing else.

An error of ours says by its exit code what the caller does next (DESIGN 3.16), and so does the
status. What is the operator's to mend is said in his language. What is this host's own trouble is
named by its code only: paths, addresses and keys' names are for the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from archiver.errors import (
    ArchiverError,
    Exit,
    RequestError,
    Said,
)
from archiver.lookup.answering import AmbiguousError
from archiver.lookup.scanning import ScanTooLargeError
from archiver.refusals import (
    ApprovalNeededError,
    CodeRefusedError,
    LoginDelayedError,
    LoginNeededError,
    LoginRefusedError,
    PasswordRefusedError,
    PurposeMissingError,
)
from archiver.service.jobs import ExportsBusyError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5
"""After which what failed for a moment may be tried again."""

_STATUS: Final[Mapping[type[ArchiverError], int]] = {
    LoginNeededError: 401,
    LoginRefusedError: 401,
    LoginDelayedError: 429,
    CodeRefusedError: 403,
    ApprovalNeededError: 403,
    AmbiguousError: 409,
    ExportsBusyError: 429,
    RequestError: 400,
    PurposeMissingError: 400,
    PasswordRefusedError: 400,
    ScanTooLargeError: 400,
}
"""The first that fits, before the exit code."""
_BY_EXIT: Final[Mapping[Exit, int]] = {
    Exit.FIX_REQUEST: 503,  # of the configuration: nothing that whoever asks could mend
    Exit.TRY_LATER: 503,
    Exit.FORBIDDEN: 403,
    Exit.ALARM: 503,
}
_OURS: Final = Said(
    "The service cannot answer now. Who runs it finds the reason in its log",
    "服务暂时无法应答，原因见服务日志",
)
_TOLD: Final = ("number", "sources")
"""Parameters of errors that programs need, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One answer that is none."""

    status: int
    code: str
    said: Said
    retry_after: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self, language: str) -> dict[str, Any]:
        """Return it as JSON; `type` is our own name, which resolves nowhere."""
        return {
            "type": f"urn:archiver:{self.code}",
            "title": self.code,
            "status": self.status,
            "detail": self.said.zh if language == "zh" else self.said.en,
            **self.more,
        }


class ProblemError(Exception):
    """A refusal that only HTTP knows."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.code)


def refused(
    status: int, code: str, en: str, zh: str, *, retry_after: int | None = None
) -> ProblemError:
    """Return a refusal."""
    said = Said(en, zh)
    return ProblemError(Problem(status=status, code=code, said=said, retry_after=retry_after))


def problem_of(error: ArchiverError) -> Problem:
    """Return what is said of an error of ours."""
    status = next(
        (number for kind, number in _STATUS.items() if isinstance(error, kind)),
        _BY_EXIT.get(error.exit, 500),
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        retry = RETRY_SECONDS if status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return Problem(status=status, code=error.code, said=_OURS, retry_after=retry)
    seconds = error.params.get("seconds", RETRY_SECONDS)
    return Problem(
        status=status,
        code=error.code,
        said=Said(error.text("en"), error.text("zh")),
        retry_after=int(str(seconds)) if status == HTTPStatus.TOO_MANY_REQUESTS else None,
        more={name: error.params[name] for name in _TOLD if name in error.params},
    )


def bug() -> Problem:
    """Return what is said of a mistake of ours: nothing."""
    return Problem(status=500, code="bug", said=_OURS)


def invalid(places: Sequence[Mapping[str, Any]]) -> Problem:
    """Return what is said of a request that does not fit its schema: where, never the value.

    Args:
        places: pydantic's errors.
    """
    told = [
        {"at": ".".join(map(str, one.get("loc", ()))), "problem": str(one.get("type", ""))}
        for one in places
    ]
    names = ", ".join(one["at"] for one in told)
    return Problem(
        status=422,
        code="invalid",
        said=Said(f"The request is not as described: {names}", f"请求不符合说明：{names}"),
        more={"errors": told},
    )
