"""The revealing process: one request on standard input, one order's secrets on standard output.

A process of its own, because it alone opens the reveal root: whatever else looks orders up holds
no key for a card secret, not in its memory and not in its crash dumps. It ends when its parent
does: its standard input then ends. It checks that the row is the order that was asked for and that
the secrets are the ones that the row commits to.
"""

import base64
import json
import os
import resource
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa

from archiver import canonical, keyring, partition, proof, roots
from archiver.archive import Archive
from archiver.errors import ArchiverError, Said, TamperedError
from archiver.reveal.request import REQUEST, RevealRequest
from archiver.wiring import Installation
from schemas.orders import ORDER_V1, leaf_paths

LEAVES = (
    "source",
    "order_id",
    "revision",
    "secret_commitment",
    "deliveries.list.element.kind",
    "deliveries.list.element.placeholder",
    *(path for path, key in leaf_paths(ORDER_V1).items() if key == "reveal"),
)
"""What is decrypted: the secrets, what they belong to, and what commits to them."""


def main() -> None:
    """Serve one request."""
    # No dump of this process may reach the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What libraries print must not come between the answer and its reader.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    request = REQUEST.validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        answer: dict[str, Any] = _serve(request)
    except ArchiverError as error:
        answer = {"error": {"code": error.code, "en": error.text("en"), "zh": error.text("zh")}}
    # A bug's message might quote the secret: its name says enough.
    except BaseException as error:  # noqa: BLE001
        answer = {"error": {"code": "bug", "en": type(error).__name__, "zh": type(error).__name__}}
    out.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
    out.close()


def _die_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


def _serve(request: RevealRequest) -> dict[str, Any]:
    installation = Installation.load(Path(request.config))
    archive = installation.archive()
    root = roots.open_root(
        installation.places.roots["reveal"],
        archive.document.roots["reveal"],
        archive.id,
        "reveal",
        environment=installation.environment,
    )
    return secrets_of(archive, root, request)


def secrets_of(archive: Archive, root: keyring.KeyPair, request: RevealRequest) -> dict[str, Any]:
    """Return an order's deliveries with their secrets, or its secret part for a proof.

    Raises:
        TamperedError: The row is another order's, or the secrets are not what it commits to.
        KeyUnavailableError: The root does not open them.
    """
    cohort = archive.read_cohort(request.cohort)
    pair = keyring.open_cohort_key(cohort, "reveal", root)
    info = keyring.binding("kek", archive.id, "reveal", request.key)
    reveal = pair.open(base64.b64decode(request.reveal_kek), info)
    content = archive.store.get(request.key, request.version_id)
    file = partition.open_file(
        content,
        {"base": bytes.fromhex(request.base_kek), "reveal": reveal},
        footer_sha256=request.footer_sha256,
        where=request.key,
    )
    rows = partition.read_row_group(file, request.row_group, LEAVES, request.key)
    row = rows.slice(request.row, 1)
    (order,) = row.to_pylist()
    if (order["source"], order["order_id"], order["revision"]) != (
        request.source,
        request.order_id,
        request.revision,
    ):
        raise TamperedError(
            key=request.key, detail=Said("the row is another order's", "该行属于另一笔订单")
        )
    _require_committed(row, reveal, request)
    if request.for_proof:
        place = request.first_row + request.row
        salt = canonical.salts(reveal, "secret", place, 1).tobytes()
        return {"part": proof.part("secret", order, salt)}
    return {
        "secrets": [
            {name: one[name] for name in ("kind", "placeholder", "secret")}
            for one in order["deliveries"] or ()
        ]
    }


def _require_committed(row: pa.Table, reveal: bytes, request: RevealRequest) -> None:
    made = canonical.secret_commitments(row, reveal, first_row=request.first_row + request.row)
    if made[0].as_py() != row["secret_commitment"][0].as_py():
        raise TamperedError(
            key=request.key,
            detail=Said(
                "the secrets are not the ones that the order commits to",
                "卡密与订单中的承诺值不符",
            ),
        )
