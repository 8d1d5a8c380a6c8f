"""The reveal dialog: a case, somebody else's approval, a fresh code, and sixty seconds.

Each step is one page, so that nothing depends on a script: the secrets stand in the answer to one
form and nowhere else, the style sheet hides them after a minute, and the browser then goes on to
the dossier by itself. Waiting asks nothing anew: it looks at the request and at nothing else.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from archiver.errors import ArchiverError
from archiver.lookup.answering import grounds
from archiver.operators import Approval
from archiver.policy import APPROVALS
from archiver.refusals import (
    ApprovalNeededError,
    BlockedError,
    LoginNeededError,
    SecondFactorNeededError,
)
from archiver.reveal import Revealed, Revealing
from archiver.service.pages.asked import Asked
from archiver.service.pages.asking import order_href
from archiver.service.pages.forms import Framed, RevealForm, Sealed
from archiver.service.pages.framing import Frame
from archiver.service.pages.shapes import at

router = APIRouter(include_in_schema=False)

SECONDS: Final = 60
"""How long a secret stands on the screen; `console.css` counts as long."""
_ELSEWHERE: Final = (LoginNeededError, SecondFactorNeededError, BlockedError)


class _CodeWantedError(Exception):
    """Everything but the code is settled. No error of ours: it is not recorded as a failure."""


@router.get("/reveal")
def reveal_page(frame: Framed, o: Sealed, q: Sealed, w: Sealed = "") -> Response:
    """Show the step that is next: `w` is a request that was made."""
    asked = Asked.of(frame.unseal("question", q))
    if not w:
        return _step(frame, o, asked, "case", case=asked.case)
    told = frame.unseal("waiting", w)
    approval = frame.visitor.desk.approvals.find(told["number"])
    if approval.granted is None:
        return _step(frame, o, asked, "wait", case=told["case"], approval=approval)
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
        revealed = _revealed(frame, name, asked, case, code)
    except _CodeWantedError:
        return _step(frame, sent.o, asked, "code", case=case)
    except ApprovalNeededError as error:
        waiting = {"number": error.params["number"], "case": case}
        return frame.on(f"/reveal?o={sent.o}&q={sent.q}&w={frame.seal('waiting', waiting)}")
    except _ELSEWHERE:
        raise
    except ArchiverError as error:
        step = "code" if error.code in ("code-refused", "login-delayed") else "case"
        return _step(frame, sent.o, asked, step, case=case, error=error)
    return frame.answer(
        "secret",
        "search",
        seconds=SECONDS,
        order_href=_order_href(frame, sent.o, asked),
        source=name["source"],
        order_id=name["order"],
        secrets=revealed.secrets,
        any_secret=any(one["secret"] for one in revealed.secrets),
        access=str(revealed.record),
    )


def _revealed(
    frame: Frame, name: Mapping[str, Any], asked: Asked, case: str, code: str
) -> Revealed:
    service, visited = frame.service, frame.visitor
    section = service.installation.configuration.reveal
    why = grounds(asked.purpose or None, case or None)

    def given() -> str:
        if not code:
            raise _CodeWantedError
        return code

    with service.library.seat(visited.desk, frame.session, "reveal", why) as seat:
        revealing = Revealing(
            desk=visited.desk,
            session=frame.session,
            why=why,
            finder=seat.finder,
            config=service.config,
            environment=service.installation.environment,
            needs_approval=section.approval,
            daily_cap=section.daily_cap,
        )
        revealed = revealing.reveal(name["order"], name["source"], given)
        service.told_of(visited, seat.unusual)
        return revealed


def _step(
    frame: Frame,
    o: str,
    asked: Asked,
    step: str,
    *,
    case: str,
    approval: Approval | None = None,
    error: ArchiverError | None = None,
) -> Response:
    name, zone = frame.unseal("order", o), frame.service.installation.rules.zone
    notices, status = [], 200
    if error is not None:
        notice, status = frame.notice(error)
        notices = [notice]
    passed = ("case", "wait", "code", "shown")
    roles = sorted(APPROVALS["reveal"].grants)
    url = frame.request.url
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
        again=f"{url.path}?{url.query}",
        approval=approval,
        until=at(approval.until, zone) if approval else None,
        roles=frame.words("frame.and").join(frame.words(f"role.{role}") for role in roles),
    )


def _order_href(frame: Frame, o: str, asked: Asked) -> str:
    name = frame.unseal("order", o)
    told = {"source": name["source"], "order_id": name["order"]}
    return order_href(frame, told, asked, name.get("revision"))
