"""The door: the one function that lets anybody in, by the rule that `table` has for the route.

Whoever is not admitted does not reach the route's own code. In this order: flood, origin, who it
is, CSRF, role, fresh code. A role's refusal is on record.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request

from archiver.desk import Desk
from archiver.errors import Said
from archiver.operators import Session
from archiver.refusals import LoginNeededError
from archiver.service.house import Service
from archiver.service.once import HEADER as IDEMPOTENCY
from archiver.service.peers import address_of, is_listed
from archiver.service.problems import refused
from archiver.service.table import To
from archiver.service_tokens import ServiceToken

COOKIE: Final = "__Host-archiver"
"""The prefix makes browsers take it only over TLS (or from this very host), for this host alone."""
CSRF_HEADER: Final = "x-csrf-token"
SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Whoever was let in."""

    address: str
    """As far as it can be trusted."""
    origin: str
    language: str
    desk: Desk
    """As it is seen from there."""
    session: Session | None = None
    token: ServiceToken | None = None

    @property
    def site(self) -> ServiceToken:
        """The token of the site."""
        if self.token is None:
            raise LoginNeededError(detail=Said("no token", "没有令牌"))
        return self.token

    @property
    def person(self) -> Session:
        """The session of the operator."""
        if self.session is None:
            raise LoginNeededError(detail=Said("no session", "没有会话"))
        return self.session


def admit(request: Request) -> None:
    """Let a request through to its route, or refuse it.

    Raises:
        LoginNeededError: It admits operators, and nobody is logged in.
        NotAllowedError: His role does not use it; it is on record.
        ProblemError: Another site has sent it, its token is missing, or there are too many.
    """
    service: Service = request.app.state.service
    rule = service.table[(request.method, request.scope["route"].path)]
    address = client_address(request, service)
    origin = f"ip:{address}"
    service.flood.require(origin)
    _require_own_origin(request)
    session = token = None
    if rule.to is To.MONITOR and not is_listed(address, service.monitors):
        raise refused(403, "not-allowed", "Metrics are not for this address", "该地址不得读取指标")
    if rule.to is To.SITE:
        token = _token(request, service)
        service.flood.require(token.subject)
    if rule.to is To.PERSON:
        session = service.desk.logins.session(request.cookies.get(COOKIE, ""))
        service.flood.require(f"operator:{session.name}")
    desk = service.desk.seen_from(origin)
    visitor = Visitor(
        address=address,
        origin=origin,
        language=language_of(request),
        desk=desk,
        session=session,
        token=token,
    )
    if session is not None:
        if request.method not in SAFE and not rule.form:
            require_csrf(session, request.headers.get(CSRF_HEADER))
        if rule.command is not None:
            desk.require_role(session, rule.command)
        if rule.fresh:
            require_fresh(service, session)
    request.state.visitor = visitor


def _token(request: Request, service: Service) -> ServiceToken:
    """Return the token that a site shows.

    Raises:
        LoginNeededError: It shows none that counts.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    found = service.tokens.held(secret.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        detail = Said("a token is needed that counts", "需要有效的令牌")
        raise LoginNeededError(detail=detail)
    return found


# Not in a thread, as what is no coroutine would be: each hop costs more than these do.
async def visitor(request: Request) -> Visitor:
    """Return whoever `admit` has let in."""
    found: Visitor = request.state.visitor
    return found


async def service_of(request: Request) -> Service:
    """Return the service that a request reached."""
    found: Service = request.app.state.service
    return found


Visited = Annotated[Visitor, Depends(visitor)]
IdempotencyKey = Annotated[str | None, Header(alias=IDEMPOTENCY, max_length=200)]
Served = Annotated[Service, Depends(service_of)]


def csrf_of(session: Session) -> str:
    """Return the token by which a page of ours is told from a page of somebody else's.

    Made from the session's own token, which no page can read: there is nothing to keep.
    """
    return hmac.digest(session.token.encode(), b"archiver/v1/csrf", hashlib.sha256).hex()


def require_csrf(session: Session, given: str | None) -> None:
    """Refuse what was not sent by a page of ours.

    Raises:
        ProblemError: The token is missing or another session's.
    """
    if not hmac.compare_digest(csrf_of(session).encode(), (given or "").encode()):
        raise refused(
            403, "csrf", f"The header {CSRF_HEADER} is missing or wrong", "缺少或错误的 CSRF 令牌"
        )


def require_fresh(service: Service, session: Session) -> None:
    """Refuse what is sensitive without a code of the last minutes.

    Raises:
        ProblemError: `POST /v1/session/confirm` comes first.
    """
    if not session.is_fresh(service.installation.clock.now()):
        raise refused(
            403,
            "code-needed",
            "This takes a fresh code: confirm the session first",
            "此操作需要新的动态码：请先确认会话",
        )


def language_of(request: Request) -> str:
    """Return `zh` or `en`, as the browser wishes."""
    first = request.headers.get("accept-language", "").strip().lower()
    return "zh" if first.startswith("zh") else "en"


def client_address(request: Request, service: Service) -> str:
    """Return the address of whoever asks, past listed proxies."""
    peer = request.client.host if request.client else None
    return address_of(peer, request.headers.getlist("x-forwarded-for"), service.proxies)


def _require_own_origin(request: Request) -> None:
    """Refuse what a page of another site has a browser send."""
    if request.method in SAFE:
        return
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if elsewhere or request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise refused(403, "cross-origin", "Another site has sent this", "请求来自其他站点")
