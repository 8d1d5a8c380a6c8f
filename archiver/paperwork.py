"""Approvals, operators, tokens and entries of the access log as JSON: the one shape. Pure."""

import json
from typing import Any

from archiver.access_log.entry import Chained, encode
from archiver.lookup.shown import instant
from archiver.operators import Approval, Operator
from archiver.service_tokens import ServiceToken
from archiver.watch import Block


def approval_fields(one: Approval) -> dict[str, Any]:
    """Return a request as JSON has it."""
    return {
        "number": one.number,
        "kind": one.kind,
        "text": one.text,
        "state": state_of(one),
        "asked_by": one.asked_by,
        "asked_at": instant(one.asked_at),
        "until": instant(one.until),
        "decided_by": one.decided_by,
        "decided_at": instant(one.decided_at) if one.decided_at else None,
        "used_at": instant(one.used_at) if one.used_at else None,
    }


def state_of(one: Approval) -> str:
    """Return one word for what became of a request."""
    if one.used_at is not None:
        return "used"
    return {None: "waiting", True: "granted", False: "refused"}[one.granted]


def operator_fields(one: Operator) -> dict[str, Any]:
    """Return an operator as JSON has him."""
    return {
        "operator": one.name,
        "role": one.role.value,
        "created_at": instant(one.created_at),
        "created_by": one.created_by,
        "disabled_at": instant(one.disabled_at) if one.disabled_at else None,
    }


def block_fields(one: Block, language: str = "en") -> dict[str, Any]:
    """Return a block of the watch as JSON has it."""
    why = one.said.zh if language == "zh" else one.said.en
    return {"subject": one.subject, "since": instant(one.since), "why": why}


def token_fields(one: ServiceToken) -> dict[str, Any]:
    """Return a token as JSON has it: not what the site holds."""
    return {
        "token": one.name,
        "daily_budget": one.daily_budget,
        "created_at": instant(one.created_at),
        "created_by": one.created_by,
        "revoked_at": instant(one.revoked_at) if one.revoked_at else None,
    }


def entry_fields(one: Chained) -> dict[str, Any]:
    """Return an entry as JSON has it: the very bytes that are chained, parsed."""
    content: dict[str, Any] = json.loads(encode(one))
    return {name: value for name, value in content.items() if name not in ("format", "archive")}
