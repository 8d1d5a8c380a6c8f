"""Passwords: which ones are taken, and how they are kept.

A password is hashed with argon2id over an HMAC of it, so that a thief of the state database
who lacks the operators' key cannot even begin to guess. Rules follow NIST SP 800-63B-4, 3.1.1:
length counts, composition does not, what stands in everybody's list is refused.
"""

import hmac
import unicodedata
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from archiver.errors import Said
from archiver.refusals import PasswordRefusedError

SHORTEST: Final = 12
LONGEST: Final = 256
"""Characters: longer is a file that was piped in by mistake."""
FEWEST_DIFFERENT: Final = 5
_COMMON: Final = (
    "password",
    "passw0rd",
    "qwerty",
    "qwertyuiop",
    "asdfghjkl",
    "1q2w3e4r5t",
    "iloveyou",
    "letmein",
    "admin",
    "welcome",
    "woaini",
    "mima",
    "5201314",
    "123456789",
    "987654321",
)
"""What is left of a password after these is what counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a guess costs: argon2id's parameters, RFC 9106's second choice if not given."""

    iterations: int = 3
    memory_kib: int = 64 << 10
    lanes: int = 4


STANDARD: Final = Costs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Hashes and compares."""

    key: bytes
    """32 bytes, derived from the operators' key."""
    costs: Costs = STANDARD

    def hashed(self, password: str) -> str:
        """Return what is kept of a password."""
        return self._hasher.hash(self._keyed(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Tell whether a password is the one that was kept.

        Where nothing is kept the same work is done: an answer's time must not tell who exists.
        """
        if kept is None:
            self.hashed(password)
            return False
        try:
            return self._hasher.verify(kept, self._keyed(password))
        except (VerificationError, InvalidHashError):
            return False

    @property
    def _hasher(self) -> PasswordHasher:
        costs = self.costs
        return PasswordHasher(costs.iterations, costs.memory_kib, costs.lanes)

    def _keyed(self, password: str) -> bytes:
        return hmac.digest(self.key, normalised(password).encode("utf-8", "replace"), "sha256")


def normalised(password: str) -> str:
    """Return a password as all keyboards and input methods give it."""
    return unicodedata.normalize("NFKC", password)


def require_sound(password: str, name: str) -> None:
    """Refuse a password that a guesser tries early.

    Args:
        password: As it was typed.
        name: Of the operator.

    Raises:
        PasswordRefusedError: It is short, long, common, monotonous, or the name itself.
    """
    text = normalised(password)
    if len(text) < SHORTEST:
        raise PasswordRefusedError(
            detail=Said(
                f"it has fewer than {SHORTEST} characters; a sentence is easy to remember",
                f"少于 {SHORTEST} 个字符；可以使用一句话",
            )
        )
    if len(text) > LONGEST:
        raise PasswordRefusedError(
            detail=Said(f"it has more than {LONGEST} characters", f"超过 {LONGEST} 个字符")
        )
    if len(set(text)) < FEWEST_DIFFERENT:
        raise PasswordRefusedError(
            detail=Said("it repeats a few characters", "只是少数几个字符的重复")
        )
    rest = text.casefold()
    for known in (name.casefold(), *_COMMON):
        rest = rest.replace(known, "")
    if len(rest) < SHORTEST // 2:
        raise PasswordRefusedError(
            detail=Said(
                "it is little more than a common password or the operator's name",
                "与常见密码或操作员名称过于接近",
            )
        )
