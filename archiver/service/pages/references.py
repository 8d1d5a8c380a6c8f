"""What a link carries: which order, which question, for whom; sealed, so that it tells nothing.

An address ends up in histories, logs and screenshots; a telephone number must not. So links of
the console carry what they mean encrypted under a key that is derived from the session's own
token: a link works in the session that it was made in, says nothing to anybody else, and ends
with it. Nothing has to be kept for it on any node.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.errors import RequestError

_NONCE: Final = 12
LONGEST: Final = 6_000
"""Characters: a question with all its conditions stays below."""


class StaleLinkError(RequestError):
    """A link of another session, or none of ours."""

    code = "stale-link"
    en = "This link has ended with its session"
    zh = "该链接已随会话失效"


def seal(token: str, purpose: str, content: Mapping[str, Any]) -> str:
    """Return what stands for `content` in a link.

    Args:
        token: The session's.
        purpose: What kind of link it is: one kind is not taken for another.
        content: JSON values.
    """
    nonce = os.urandom(_NONCE)
    plain = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    sealed = AESGCM(_key(token)).encrypt(nonce, plain, purpose.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")


def unseal(token: str, purpose: str, text: str) -> dict[str, Any]:
    """Return what a link stands for.

    Raises:
        StaleLinkError: It is another session's, another kind's, or was altered.
    """
    try:
        if len(text) > LONGEST:
            raise StaleLinkError
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        plain = AESGCM(_key(token)).decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
    except (binascii.Error, InvalidTag, ValueError):
        raise StaleLinkError from None
    content: dict[str, Any] = json.loads(plain)
    return content


def _key(token: str) -> bytes:
    return hmac.digest(token.encode(), b"archiver/v1/console/link", hashlib.sha256)
