"""The reveal dialog: a case, somebody else's approval, a fresh code, and sixty seconds.

Each step is one page, so that nothing depends on a script: the secrets stand in the answer to one
form and nowhere else, the style sheet hides them after a minute, and the browser then goes on to
the dossier by itself. Waiting asks nothing anew: it looks at the request and at nothing else.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ValidationError

from archiver.errors import ArchiverError
from archiver.operators import Approval
from archiver.operators.tables import stamp
from archiver.policy import APPROVALS
from archiver.refusals import (
    ApprovalNeededError,
    BlockedError,
    CodeRefusedError,
    LoginNeededError,
    SecondFactorNeededError,
)
from archiver.service.pages.asked import Asked
from archiver.service.pages.asking import order_href
from archiver.service.pages.forms import Framed, RevealForm, Sealed
from archiver.service.pages.framing import Frame
from archiver.service.pages.shapes import at
from archiver.service.problems import ProblemError
from archiver.service.questions import Reveal
from archiver.service.routes.reveals import revealed

router = APIRouter(include_in_schema=False)

_ELSEWHERE: Final = (LoginNeededError, SecondFactorNeededError, BlockedError)


@router.get("/reveal")
def reveal_page(frame: Framed, o: Sealed, q: Sealed, w: Sealed = "") -> Response:
    """Show the step that is next: `w` is a request that was made."""
    asked = Asked.of(frame.unseal("question", q))
    if not w:
        return _step(frame, o, asked, "case", case=asked.case)
    told = frame.unseal("waiting", w)
    approval = frame.visitor.desk.approvals.find(told["number"])
    if approval.granted is None:
        # By itself it looks for as long as a session lasts that nobody uses, and no longer: each
        # look is a use.
        waited = stamp(frame.service.installation.clock.now()) - told["since"]
        idle = frame.service.installation.configuration.operators.session_idle_minutes
        looks = waited < timedelta(minutes=idle) // timedelta(microseconds=1)
        return _step(
            frame,
            o,
            asked,
            "wait",
            case=told["case"],
            approval=approval,
            again=_waiting_href(frame, o, q, approval.number, told["case"]),
            looks=looks,
        )
    # Refused, used or granted: whether it holds is decided when the secrets are asked for.
    return _step(frame, o, asked, "code", case=told["case"], approval=approval)


@router.post("/reveal")
def reveal(frame: Framed, sent: RevealForm) -> Response:
    """Ask for the approval, or for the code, or reveal."""
    frame.require_form(sent.csrf)
    asked = Asked.of(frame.unseal("question", sent.q))
    name = frame.unseal("order", sent.o)
    case, code = sent.case.strip(), sent.code.replace(" ", "")
    try:
        told = _revealed(frame, name, asked, case, code)
    except ProblemError as error:
        if error.problem.code != "code-needed":
            raise
        return _step(frame, sent.o, asked, "code", case=case)
    except ApprovalNeededError as error:
        number = int(str(error.params["number"]))
        return frame.on(_waiting_href(frame, sent.o, sent.q, number, case))
    except _ELSEWHERE:
        raise
    except ArchiverError as error:
        step = "code" if error.code in ("code-refused", "login-delayed") else "case"
        return _step(frame, sent.o, asked, step, case=case, error=error)
    secrets = told["order"]["deliveries"]
    return frame.answer(
        "secret",
        "search",
        seconds=told["show_seconds"],
        order_href=_order_href(frame, sent.o, asked),
        source=name["source"],
        order_id=name["order"],
        secrets=secrets,
        any_secret=any(one["secret"] for one in secrets),
        access=told["access"],
    )


def _revealed(
    frame: Frame, name: Mapping[str, Any], asked: Asked, case: str, code: str
) -> Mapping[str, Any]:
    """Return what the API answers to the same question: who may, and what is told, is its."""
    try:
        question = Reveal(
            order=name["order"],
            source=name["source"],
            purpose=asked.purpose or None,
            case=case or None,
            code=code or None,
        )
    except ValidationError:
        if code:  # nothing else of it is typed without a limit
            raise CodeRefusedError from None
        raise
    return revealed(question, frame.service, frame.visitor)


def _step(
    frame: Frame,
    o: str,
    asked: Asked,
    step: str,
    *,
    case: str,
    approval: Approval | None = None,
    error: ArchiverError | None = None,
    again: str = "",
    looks: bool = False,
) -> Response:
    name, zone = frame.unseal("order", o), frame.service.installation.rules.zone
    notices, status = [], 200
    if error is not None:
        notice, status = frame.notice(error)
        notices = [notice]
    passed = ("case", "wait", "code", "shown")
    roles = sorted(APPROVALS["reveal"].grants)
    return frame.answer(
        "reveal",
        "search",
        status=status,
        notices=notices,
        step=step,
        done=passed[: passed.index(step)],
        o=o,
        q=frame.seal("question", asked.told()),
        case=case,
        source=name["source"],
        order_id=name["order"],
        order_href=_order_href(frame, o, asked),
        again=again,
        looks=looks,
        approval=approval,
        until=at(approval.until, zone) if approval else None,
        roles=frame.words("frame.and").join(frame.words(f"role.{role}") for role in roles),
    )


def _waiting_href(frame: Frame, o: str, q: str, number: int, case: str) -> str:
    """Return the address that looks at a request, from now on."""
    since = stamp(frame.service.installation.clock.now())
    waiting = frame.seal("waiting", {"number": number, "case": case, "since": since})
    return f"/reveal?o={o}&q={q}&w={waiting}"


def _order_href(frame: Frame, o: str, asked: Asked) -> str:
    name = frame.unseal("order", o)
    told = {"source": name["source"], "order_id": name["order"]}
    return order_href(frame, told, asked, name.get("revision"))
