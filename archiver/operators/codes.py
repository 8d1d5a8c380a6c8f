"""Second factors: time-based codes (RFC 6238) that work once, and recovery codes on paper.

Pure. A code belongs to a step of 30 seconds. The step of the last code that was taken is kept,
and no code of it or of an earlier one is ever taken again: not by another process, and not
after this host's clock was set back. Steps come from the operator's phone, so a clock that ran
ahead here does not lock anybody out later.
"""

import base64
import hmac
import secrets
import unicodedata
from datetime import datetime
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
TOLERATED_STEPS: Final = 1
"""To either side: phones are up to half a minute off."""
SECRET_BYTES: Final = 20
"""RFC 4226, 4 R6: 160 bits."""
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
"""80 bits: no argon2 is needed against guessing."""
_GROUP: Final = 4


def new_secret() -> str:
    """Return a secret as authenticator apps take it: base32, 32 letters."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def uri(secret: str, name: str, archive: str) -> str:
    """Return what the QR code says: the `otpauth` URI of an operator of an archive."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"archiver {archive}")


def matching_step(secret: str, code: str, now: datetime, last: int) -> int | None:
    """Return the step to which a code belongs, None if it must not be taken.

    Args:
        secret: The operator's, base32.
        code: As typed: spaces and full-width digits are forgiven.
        now: By this host's clock.
        last: The step of the last code that was taken.
    """
    typed = _plain(code)
    current = int(now.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    found = None
    for step in range(current - TOLERATED_STEPS, current + TOLERATED_STEPS + 1):
        # All of them, always: the time that it takes tells nothing.
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode()) and step > last:
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Return fresh recovery codes: four groups of four letters and digits."""
    made = []
    for _ in range(RECOVERY_CODES):
        text = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
        made.append("-".join(text[i : i + _GROUP] for i in range(0, len(text), _GROUP)))
    return made


def kept_recovery_code(key: bytes, name: str, code: str) -> str:
    """Return what is kept of a recovery code, hexadecimal; its case and hyphens do not count."""
    plain = _plain(code).replace("-", "").lower()
    return hmac.digest(key, f"{name}\0{plain}".encode(), "sha256").hex()


def looks_like_recovery(code: str) -> bool:
    """Tell a recovery code from a phone's: it is longer."""
    return len(_plain(code).replace("-", "")) == _RECOVERY_BYTES * 8 // 5


def _plain(code: str) -> str:
    return "".join(unicodedata.normalize("NFKC", code).split())
