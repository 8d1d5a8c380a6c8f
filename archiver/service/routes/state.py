"""How the archive is: what is sealed, what is proven, who asked what."""

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from archiver.access_log import Outcome
from archiver.access_log.entry import instant
from archiver.paperwork import block_fields, entry_fields
from archiver.policy import may_run
from archiver.service.admission import Served, Visited
from archiver.service.problems import refused
from archiver.service.surveying import seen_fields
from archiver.verification.coverage import coverage_fields
from archiver.witnessed import witness_fields

router = APIRouter(prefix="/v1", tags=["archive"])


@router.get("/status")
def status(service: Served, visited: Visited) -> dict[str, Any]:
    """Say which days are sealed and missing, under what lock, and what is wrong.

    `blocks` is how many there are; `blocked`, whom, is for roles that list operators.
    """
    seen = service.surveyor.seen()
    blocks = visited.desk.watch.blocks()
    told = {**seen_fields(seen, service.library.archive), "blocks": len(blocks)}
    if may_run(visited.person.role, "operator list"):  # addresses of buyers are among them
        told["blocked"] = [block_fields(one, visited.language) for one in blocks]
    return told


@router.get("/verification")
def verification(service: Served, visited: Visited) -> dict[str, Any]:
    """Say what is known to hold: the lock's proof, the chain of manifests, the access log's head.

    Verifying itself takes the keys and the time of `archiver verify` and `archiver access verify`;
    here is what the last of them and this node's own reading have found.
    """
    seen = service.surveyor.seen()
    archive = service.library.archive
    head = visited.desk.access_log.head()
    proof = seen.proof.document if seen.proof else None
    manifest = seen.status.last_manifest
    with service.library.reading() as shelf:
        covered = shelf.index.covered()
        stale = shelf.stale
    return {
        "as_of": instant(seen.at),
        "archive": archive.id,
        "lock": seen.lock,
        "lock_proof": None
        if proof is None
        else {
            "number": proof.number,
            "at": instant(proof.created_at),
            "verdict": proof.verdict,
            "age_s": int((seen.at - proof.created_at).total_seconds()),
        },
        "lock_doubt": seen.doubt.code if seen.doubt else None,
        "manifests": manifest.number if manifest else 0,
        "manifests_at": instant(manifest.created_at) if manifest else None,
        "index": {"manifest": covered.manifest, "stale": stale},
        "access_log": None
        if head is None
        else {"node": head.node, "number": head.number, "digest": head.digest},
        "head_file": visited.desk.access_log.head_file is not None,
        "ledger": None
        if seen.ledger is None
        else {"size": seen.ledger.size, "root": base64.b64encode(seen.ledger.root).decode()},
        "contradiction": seen.contradiction.code if seen.contradiction else None,
        **witness_fields(seen.spread, visited.language),
        "coverage": coverage_fields(seen.coverage),
    }


@router.get("/access")
def access(
    visited: Visited,
    since: datetime | None = None,
    operator: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """List who asked what and why, newest first; the look itself is on record before, page by page.

    `next` is the cursor of older entries.
    """
    if since is not None and since.tzinfo is None:
        raise refused(422, "invalid", "since: a time with its zone", "since：须带时区")
    before = None if cursor is None else _parsed(cursor)
    log = visited.desk.access_log
    # Older pages, too: a cursor is nothing that only an answer of ours can give.
    visited.desk.record("access log", Outcome.DONE, visited.person, detail=operator)
    found = log.entries(since=since, operator=operator, limit=limit + 1, before=before)[::-1]
    page = found[:limit]
    more = len(found) > limit
    return {
        "entries": [entry_fields(one) for one in page],
        "next": _cursor(page[-1].node, page[-1].number) if more else None,
    }


def _cursor(node: str, number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([node, number]).encode()).decode().rstrip("=")


def _parsed(cursor: str) -> tuple[str, int]:
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        node, number = json.loads(content)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        node, number = None, None
    if not isinstance(node, str) or type(number) is not int or not 0 < number < 1 << 62:
        raise refused(
            400, "cursor", "cursor: not one that an answer gave", "cursor：不是结果给出的游标"
        )
    return node, number
