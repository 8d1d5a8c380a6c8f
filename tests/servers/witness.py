"""A witness that really verifies: C2SP tlog-witness over HTTP, its memory in a file.

It knows logs by origin and key, takes a head only with a proof that it continues the one before,
makes that durable before it answers, and cosigns with its own key.
"""

import base64
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver.errors import TamperedError
from archiver.merkle import EMPTY_ROOT, verify_consistency
from archiver.signed_note import (
    COSIGNATURE,
    Checkpoint,
    VerifierKey,
    cosign,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
)
from tests.servers.scripted import Reply, Scripted

MOST_LINES = 63


@dataclass(slots=True)
class WitnessServer(Scripted):
    """The witness.

    Attributes:
        memory: The file of what it knows.
        logs: The keys that it trusts, each named like its log.
        name: Under which it signs.
        key: With which it signs.
    """

    memory: Path = Path()
    logs: list[VerifierKey] = field(default_factory=list)
    name: str = "witness.example/w1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    _alone: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Answer as a witness does, until a test says otherwise."""
        self.answer = self.add_checkpoint

    @property
    def verifier(self) -> VerifierKey:
        """By what its signatures are checked."""
        public_key = self.key.public_key().public_bytes_raw()
        return VerifierKey(name=self.name, public_key=public_key, signs=COSIGNATURE)

    def known(self) -> dict[str, tuple[int, str]]:
        """Return size and root of each log."""
        if not self.memory.exists():
            return {}
        found = json.loads(self.memory.read_bytes())
        return {origin: (int(size), str(root)) for origin, (size, root) in found.items()}

    def remember(self, known: dict[str, tuple[int, str]]) -> None:
        """Remember this instead."""
        self.memory.write_text(json.dumps(known))

    def add_checkpoint(self, path: str, body: bytes) -> Reply:
        """Answer a request (tlog-witness, "add-checkpoint")."""
        if not path.endswith("/add-checkpoint"):
            return Reply(404)
        head, _, note = body.partition(b"\n\n")
        first, *lines = head.decode().split("\n")
        keyword, _, old_size = first.partition(" ")
        if keyword != "old" or not old_size.isdecimal() or len(lines) > MOST_LINES:
            return Reply(400)
        if str(int(old_size)) != old_size:
            return Reply(400)
        proof = [base64.b64decode(line, validate=True) for line in lines]
        with self._alone:
            return self._answered(int(old_size), proof, note)

    def _answered(self, old: int, proof: Sequence[bytes], content: bytes) -> Reply:
        text = parse_note(content, where="request").text
        checkpoint = parse_checkpoint(text, where="request")
        if refused := self._refused(checkpoint, content, old):
            return Reply(refused)
        known = self.known()
        size, root = known.get(checkpoint.origin, (0, EMPTY_ROOT.hex()))
        if old != size or (old == checkpoint.size and root != checkpoint.root.hex()):
            return Reply(409, f"{size}\n".encode(), (("Content-Type", "text/x.tlog.size"),))
        try:
            verify_consistency(
                old, bytes.fromhex(root), checkpoint.size, checkpoint.root, proof, where="it"
            )
        except TamperedError:
            return Reply(422)
        self.remember({**known, checkpoint.origin: (checkpoint.size, checkpoint.root.hex())})
        line = cosign(text, self.name, self.key, datetime.now(UTC))
        return Reply(200, f"{line}\n".encode())

    def _refused(self, checkpoint: Checkpoint, content: bytes, old: int) -> int | None:
        keys = [key for key in self.logs if key.name == checkpoint.origin]
        if not keys:
            return 404
        try:
            open_checkpoint(content, keys, where="request")
        except TamperedError:
            return 403
        return 400 if old > checkpoint.size else None
