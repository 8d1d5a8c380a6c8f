"""Signed notes and checkpoints: text with Ed25519 signature lines (C2SP signed-note, 2026).

Responsible for the one argument "this text was signed by this key": `open_note` returns the text
only after a signature of a known key holds, and callers parse nothing else. Also cosignatures, by
which a witness says when it has seen a checkpoint. Pure.

Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature (cosignature/v1).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from archiver.errors import Said, TamperedError

ED25519: Final = 0x01
"""Signature type: Ed25519 over the text."""
COSIGNATURE: Final = 0x04
"""Signature type: Ed25519 over time and text, by a witness."""
MAX_NOTE: Final = 1 << 20
"""Bytes; longer ones are refused unread. A checkpoint with 16 signatures has 3,000."""
MAX_SIGNATURES: Final = 100
"""Verifiers must accept 16 (signed-note, "Format")."""

_DASH: Final = "— "
_KEY_ID: Final = 4
_SIGNATURE: Final = 64
_TIMESTAMP: Final = 8
_LAST_TIMESTAMP: Final = (1 << 63) - 1
_HASH: Final = 32
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key under a name, as notes name it."""

    name: str
    public_key: bytes
    """32 raw bytes, Ed25519."""
    signs: int = ED25519
    """The signature type: `ED25519` or `COSIGNATURE`."""

    def __post_init__(self) -> None:
        """Refuse what no note can name."""
        if not is_key_name(self.name):
            message = f"{self.name!r} cannot be a key's name"
            raise ValueError(message)
        if len(self.public_key) != _HASH or self.signs not in (ED25519, COSIGNATURE):
            message = "not an Ed25519 key"
            raise ValueError(message)

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Return the key in a verifier key's text form (vkey).

        Raises:
            ValueError: It is none, is of another kind, or its id is not its own.
        """
        name, _, rest = text.strip().partition("+")
        claimed, _, encoded = rest.partition("+")
        key = _decoded(encoded)
        if key is None or len(key) != 1 + _HASH or key[0] not in (ED25519, COSIGNATURE):
            message = "not the verifier key of an Ed25519 key"
            raise ValueError(message)
        parsed = cls(name=name, public_key=key[1:], signs=key[0])
        if parsed.key_id.hex() != claimed:
            message = "the key's id is not its own"
            raise ValueError(message)
        return parsed

    def __str__(self) -> str:
        """Return the text form: name, id and key, joined by plus signs."""
        key = base64.b64encode(bytes([self.signs]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signature lines name the key."""
        return key_id(self.name, self.public_key, self.signs)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line. Nothing has been verified."""

    name: str
    key_id: bytes
    signature: bytes
    """Of a cosignature: eight bytes of time, then 64."""

    def __str__(self) -> str:
        """Return the line, without its line end."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}"

    def is_by(self, key: VerifierKey) -> bool:
        """Return whether the line names this key."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it lies there. Nothing has been verified."""

    text: str
    """With its last line end, without the blank line."""
    signatures: Sequence[Signature]

    def __bytes__(self) -> bytes:
        """Return the note."""
        lines = "".join(f"{signature}\n" for signature in self.signatures)
        return f"{self.text}\n{lines}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head: which log, how many entries, which root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def is_key_name(name: str) -> bool:
    """Return whether notes can name a key so: not empty, neither spaces nor plus signs."""
    return bool(name) and not any(
        letter.isspace() or letter == "+" or letter < " " for letter in name
    )


def key_id(name: str, public_key: bytes, signs: int = ED25519) -> bytes:
    """Return the four bytes by which signature lines name a key."""
    named = name.encode() + b"\n" + bytes([signs]) + public_key
    return hashlib.sha256(named).digest()[:_KEY_ID]


# --- notes --------------------------------------------------------------------------------------


def sign_note(text: str, name: str, private_key: Ed25519PrivateKey) -> bytes:
    """Return a note with one signature. Equal arguments give equal bytes.

    Args:
        text: Ends with a line end.
        name: Under which name the key signs.
        private_key: The key.
    """
    if not text.endswith("\n") or _CONTROL.search(text) or not is_key_name(name):
        message = "this text or name cannot stand in a note"
        raise ValueError(message)
    public_key = private_key.public_key().public_bytes_raw()
    signature = Signature(name, key_id(name, public_key), private_key.sign(text.encode()))
    return bytes(Note(text, (signature,)))


def parse_note(content: bytes, *, where: str) -> Note:
    """Return text and signature lines, trusting neither.

    Raises:
        TamperedError: This is no note.
    """
    if len(content) > MAX_NOTE:
        raise _no_note(where)
    try:
        whole = content.decode()
    except UnicodeDecodeError:
        raise _no_note(where) from None
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or _CONTROL.search(whole):
        raise _no_note(where)
    return Note(f"{text}\n", parse_signatures(lines, where=where))


def parse_signatures(lines: str, *, where: str) -> Sequence[Signature]:
    """Return signature lines, each with its line end, as a witness answers them.

    Raises:
        TamperedError: A line is none, or there are none or too many.
    """
    rows = lines.removesuffix("\n").split("\n")
    if len(rows) > MAX_SIGNATURES:
        raise _no_note(where)
    found = []
    for row in rows:
        name, _, encoded = row.removeprefix(_DASH).partition(" ")
        signed = _decoded(encoded)
        if not row.startswith(_DASH) or not is_key_name(name) or signed is None:
            raise _no_note(where)
        if len(signed) <= _KEY_ID:
            raise _no_note(where)
        found.append(Signature(name, signed[:_KEY_ID], signed[_KEY_ID:]))
    return tuple(found)


def open_note(content: bytes, keys: Iterable[VerifierKey], *, where: str) -> str:
    """Return the text of a note that at least one of these keys has signed.

    Lines of other keys are passed over, as the standard demands; a line that names one of these
    keys and does not hold refuses the whole note.

    Args:
        content: Bytes from outside.
        keys: Keys that are already trusted, of type `ED25519`.
        where: The note's place, for the error.

    Raises:
        TamperedError: This is no note, no known key has signed it, or a signature does not hold.
    """
    note = parse_note(content, where=where)
    known = {(key.name, key.key_id): key for key in keys if key.signs == ED25519}
    holds = False
    for signature in note.signatures:
        if key := known.get((signature.name, signature.key_id)):
            _verify(key, signature.signature, note.text.encode(), where)
            holds = True
    if not holds:
        said = Said("no known key has signed it", "没有已知密钥的签名")
        raise TamperedError(key=where, detail=said)
    return note.text


# --- checkpoints --------------------------------------------------------------------------------


def parse_checkpoint(text: str, *, where: str) -> Checkpoint:
    """Return the tree head in a verified text. We write no extension lines, and refuse them.

    Raises:
        TamperedError: This is no checkpoint.
    """
    lines = text.split("\n")
    try:
        origin, size, encoded, end = lines
    except ValueError:
        raise _no_checkpoint(where) from None
    root = _decoded(encoded)
    if end or not origin or not _SIZE.fullmatch(size) or root is None or len(root) != _HASH:
        raise _no_checkpoint(where)
    return Checkpoint(origin=origin, size=int(size), root=root)


def open_checkpoint(content: bytes, keys: Iterable[VerifierKey], *, where: str) -> Checkpoint:
    """Return the tree head in a signed checkpoint, whose origin must be its signer's name.

    Raises:
        TamperedError: It does not verify; see `open_note`.
    """
    keys = list(keys)
    checkpoint = parse_checkpoint(open_note(content, keys, where=where), where=where)
    if checkpoint.origin not in {key.name for key in keys}:
        raise TamperedError(key=where, detail=Said("it is of another log", "它属于其他日志"))
    return checkpoint


# --- cosignatures -------------------------------------------------------------------------------


def cosign(text: str, name: str, private_key: Ed25519PrivateKey, at: datetime) -> Signature:
    """Return a witness's line under a checkpoint's text.

    Args:
        text: The checkpoint's, verified.
        name: The witness's.
        private_key: The witness's.
        at: When it was seen; whole seconds count.
    """
    seconds = int(at.timestamp())
    public_key = private_key.public_key().public_bytes_raw()
    signature = private_key.sign(_cosigned(text, seconds))
    signed = seconds.to_bytes(_TIMESTAMP, "big") + signature
    return Signature(name, key_id(name, public_key, COSIGNATURE), signed)


def verify_cosignature(
    text: str, signature: Signature, key: VerifierKey, *, where: str
) -> datetime:
    """Return when a witness says that it has seen a checkpoint.

    Args:
        text: The checkpoint's.
        signature: The witness's line.
        key: The witness's, trusted, of type `COSIGNATURE`.
        where: The witness, for the error.

    Raises:
        TamperedError: Another key's line, or the signature does not hold.
    """
    if key.signs != COSIGNATURE or not signature.is_by(key):
        said = Said("it is another key's signature", "它是其他密钥的签名")
        raise TamperedError(key=where, detail=said)
    seconds = int.from_bytes(signature.signature[:_TIMESTAMP], "big")
    if len(signature.signature) != _TIMESTAMP + _SIGNATURE or seconds > _LAST_TIMESTAMP:
        raise _no_signature(where)
    _verify(key, signature.signature[_TIMESTAMP:], _cosigned(text, seconds), where)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # signed, and of no year that there is
        raise _no_signature(where) from None


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _verify(key: VerifierKey, signature: bytes, signed: bytes, where: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise _no_signature(where) from None


def _decoded(encoded: str) -> bytes | None:
    """Return what stands in base64, None unless it is written in the one right way."""
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.b64encode(decoded).decode() == encoded else None


def _no_note(where: str) -> TamperedError:
    return TamperedError(key=where, detail=Said("not a signed note", "不是已签名的文本"))


def _no_checkpoint(where: str) -> TamperedError:
    return TamperedError(key=where, detail=Said("not a checkpoint", "不是检查点"))


def _no_signature(where: str) -> TamperedError:
    return TamperedError(key=where, detail=Said("the signature does not hold", "签名无效"))
