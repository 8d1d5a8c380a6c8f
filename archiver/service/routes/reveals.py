"""Showing card secrets to compliance, one order at a time."""

from typing import Any, Final

from fastapi import APIRouter

from archiver.reveal import Revealing
from archiver.service.admission import Served, Visited, Visitor
from archiver.service.house import Service
from archiver.service.problems import refused
from archiver.service.questions import Reveal

SHOW_SECONDS: Final = 60
"""How long a page leaves secrets on the screen."""

router = APIRouter(prefix="/v1/orders", tags=["orders"])


@router.post("/reveal")
def reveal(asked: Reveal, service: Served, visited: Visited) -> dict[str, Any]:
    """Show the card secrets of one order, once, within a case.

    The first call asks for somebody else's approval (403, `approval-needed`, `number`); the same
    call, once that is granted, wants a fresh `code` (403, `code-needed`); with it the secrets are
    decrypted by a process of its own and given. They are not kept anywhere, and compliance is told.
    """
    return revealed(asked, service, visited)


def revealed(asked: Reveal, service: Service, visited: Visitor) -> dict[str, Any]:
    """Return the secrets; see `reveal`. For pages, too.

    Raises what `archiver.reveal.Revealing.reveal` raises, and:
        ProblemError: The code is missing.
    """

    def code() -> str:
        if asked.code is None:
            raise refused(403, "code-needed", "A fresh code is needed", "需要新的动态码")
        return asked.code

    session, why = visited.person, asked.why
    with service.library.seat(visited.desk, session, "reveal", why) as seat:
        service.told_of(seat.unusual)
        revealing = Revealing(
            desk=visited.desk,
            session=session,
            why=why,
            finder=seat.finder,
            config=service.config,
        )
        shown = revealing.reveal(asked.fact.value, asked.source, code)
    service.teller.revealed(session.name, str(shown.record))
    return {
        "access": str(shown.record),
        "show_seconds": SHOW_SECONDS,
        "order": {
            **{name: shown.found.order[name] for name in ("source", "order_id", "revision")},
            "deliveries": [dict(one) for one in shown.secrets],
        },
    }
