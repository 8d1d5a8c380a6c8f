"""Operators, what the watch has blocked, and the tokens of the shop's site."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from archiver.access_log import Outcome
from archiver.operators import Enrolment
from archiver.paperwork import block_fields, operator_fields, token_fields
from archiver.policy import Role
from archiver.service.admission import IdempotencyKey, Served, Visited
from archiver.service.questions import NewOperator, NewPassword, NewToken, Release

router = APIRouter(prefix="/v1", tags=["operators"])


@router.get("/operators")
def operators(visited: Visited) -> dict[str, Any]:
    """List operators, and what the watch has blocked."""
    desk = visited.desk
    desk.record("operator list", Outcome.DONE, visited.person)
    return {
        "operators": [operator_fields(one) for one in desk.register.all()],
        "blocked": [block_fields(one, visited.language) for one in desk.watch.blocks()],
    }


@router.post("/operators", status_code=201)
def add(
    asked: NewOperator, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """Add an operator; his phone's secret and recovery codes are given once."""
    desk, by, role = visited.desk, visited.person.name, Role(asked.role)

    def act() -> tuple[int, dict[str, Any]]:
        desk.register.require_addable(asked.name, role, asked.password, by)
        made = desk.acting(
            "operator add",
            visited.person,
            lambda: desk.register.add(asked.name, role, asked.password, by=by),
            about=f"{asked.name} ({asked.role})",
        )
        service.teller.enrolled(asked.name, asked.role, by)
        return 201, enrolment_fields(made)

    status, told = service.writes.once(by, "operator add", key, asked.model_dump(), act, kept=False)
    return JSONResponse(dict(told), status)


@router.post("/operators/{name}/reset")
def reset(
    name: str, asked: NewPassword, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """Give an operator new factors; the old ones and his sessions end."""
    desk = visited.desk

    def act() -> tuple[int, dict[str, Any]]:
        desk.register.find(name)
        made = desk.acting(
            "operator reset",
            visited.person,
            lambda: desk.register.reset(name, asked.password),
            about=name,
        )
        service.teller.enrolled(name, made.operator.role.value, visited.person.name)
        return 200, enrolment_fields(made)

    status, told = service.writes.once(
        visited.person.name, f"operator reset {name}", key, asked.model_dump(), act, kept=False
    )
    return JSONResponse(dict(told), status)


@router.post("/operators/{name}/disable")
def disable(
    name: str, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """Disable an operator for good; his sessions end at once."""
    desk = visited.desk

    def act() -> tuple[int, dict[str, Any]]:
        desk.register.find(name)
        left = desk.acting(
            "operator disable", visited.person, lambda: desk.register.disable(name), about=name
        )
        return 200, operator_fields(left)

    status, told = service.writes.once(
        visited.person.name, f"operator disable {name}", key, {}, act
    )
    return JSONResponse(dict(told), status)


@router.post("/blocks/release")
def release(
    asked: Release, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """Lift a block of the watch; what was counted before counts no more."""
    desk, session = visited.desk, visited.person

    def act() -> tuple[int, dict[str, Any]]:
        desk.acting(
            "operator release",
            session,
            lambda: desk.watch.release(asked.subject, session),
            about=asked.subject,
        )
        return 200, {"released": asked.subject}

    status, told = service.writes.once(session.name, "release", key, asked.model_dump(), act)
    return JSONResponse(dict(told), status)


@router.get("/tokens")
def tokens(service: Served, visited: Visited) -> dict[str, Any]:
    """List the tokens of the shop's site."""
    visited.desk.record("token list", Outcome.DONE, visited.person)
    return {"tokens": [token_fields(one) for one in service.tokens.all()]}


@router.post("/tokens", status_code=201)
def add_token(
    asked: NewToken, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """Make a token for the shop's site; what the site holds is given once."""
    by = visited.person.name

    def act() -> tuple[int, dict[str, Any]]:
        service.tokens.require_addable(asked.name)
        given = visited.desk.acting(
            "token add",
            visited.person,
            lambda: service.tokens.add(asked.name, daily_budget=asked.daily_budget, by=by),
            about=asked.name,
        )
        return 201, {**token_fields(given.token), "secret": given.secret}

    status, told = service.writes.once(by, "token add", key, asked.model_dump(), act, kept=False)
    return JSONResponse(dict(told), status)


@router.post("/tokens/{name}/revoke")
def revoke_token(
    name: str, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """End a token for good, on every node at once."""

    def act() -> tuple[int, dict[str, Any]]:
        left = visited.desk.acting(
            "token revoke", visited.person, lambda: service.tokens.revoke(name), about=name[:64]
        )
        return 200, token_fields(left)

    status, told = service.writes.once(visited.person.name, f"token revoke {name}", key, {}, act)
    return JSONResponse(dict(told), status)


def enrolment_fields(made: Enrolment) -> dict[str, Any]:
    """Return what a new operator is shown once."""
    return {
        **operator_fields(made.operator),
        "totp_secret": made.secret,
        "otpauth": made.uri,
        "recovery_codes": list(made.recovery_codes),
    }
