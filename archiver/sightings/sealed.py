"""Entries inside of a sighting's document: compressed, and encrypted so that a night opens them.

Responsible for the field `sealed` (FORMAT.md 3, "Sighting"). As with `known` objects the key is
derived from the token key: no private key of the archive is needed, and whoever has none of them
learns how many orders were sighted when.
"""

import base64
import os
import zlib
from typing import Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.errors import Said, TamperedError
from archiver.sightings.entries import ENTRY, Entries
from archiver.tokens import derive_key

_NONCE: Final = 12
_LEVEL: Final = 1
"""Most of it is random."""


def sealed(token_key: bytes, key: str, entries: Entries) -> str:
    """Return entries as the sighting at `key` carries them, in base64."""
    nonce = os.urandom(_NONCE)
    content = zlib.compress(entries.astype(ENTRY, copy=False).tobytes(), _LEVEL)
    made = nonce + _cipher(token_key, key).encrypt(nonce, content, key.encode())
    return base64.b64encode(made).decode()


def opened(token_key: bytes, key: str, text: str, rows: int) -> Entries:
    """Return the entries in a sighting.

    Raises:
        TamperedError: They are another object's, or not as many as it says.
    """
    raw = base64.b64decode(text)
    try:
        content = _cipher(token_key, key).decrypt(raw[:_NONCE], raw[_NONCE:], key.encode())
        # No more than it says: whoever may sign could fill the memory with a few bytes.
        made = zlib.decompressobj().decompress(content, rows * ENTRY.itemsize + 1)
    except (InvalidTag, ValueError, zlib.error):
        raise TamperedError(
            key=key, detail=Said("its entries cannot be opened", "无法打开其条目")
        ) from None
    if len(made) != rows * ENTRY.itemsize:
        raise TamperedError(key=key, detail=Said("another number of entries", "条目数不符"))
    return np.frombuffer(made, ENTRY)


def _cipher(token_key: bytes, key: str) -> AESGCM:
    return AESGCM(derive_key(token_key, f"sighting/{key}"))
