"""Which order of a successor is which order of a retired source: pairs of tokens, encrypted.

Responsible for the `.ids` objects of FORMAT.md 3. Whoever has the token key opens them.
"""

import hashlib
import io
import os
from typing import Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from archiver import layout
from archiver.archive import Archive
from archiver.errors import Said, TamperedError
from archiver.tokens import Bytes2D, derive_key
from schemas.documents import RetiredIds

NONCE: Final = 12
PAIR: Final = 32
"""Bytes: the token of an order id under the successor, then the one under which it is known."""


def put_ids(archive: Archive, source: str, pairs: Bytes2D) -> RetiredIds:
    """Store the tokens of an id map, encrypted and locked; nothing counts yet.

    Args:
        archive: Opened to seal.
        source: The retired one.
        pairs: Shape (ids, 32).
    """
    key = layout.retired_ids_key(source, os.urandom(16).hex())
    nonce = os.urandom(NONCE)
    content = nonce + _cipher(archive, key).encrypt(nonce, pairs.tobytes(), key.encode())
    stored = archive.store.put(key, io.BytesIO(content), retain_until=archive.evidence_until())
    return RetiredIds(
        key=key,
        version_id=stored.version_id,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        count=len(pairs),
    )


def read_ids(archive: Archive, ids: RetiredIds) -> Bytes2D:
    """Return the tokens of an id map, sorted by those of the successor.

    Raises:
        TamperedError: It is not what was signed.
        StoreError: The store did not answer.
    """
    content = archive.store.get(ids.key, ids.version_id)
    if hashlib.sha256(content).hexdigest() != ids.sha256:
        raise TamperedError(key=ids.key, detail=Said("other bytes", "字节不同"))
    try:
        raw = _cipher(archive, ids.key).decrypt(content[:NONCE], content[NONCE:], ids.key.encode())
    except InvalidTag:
        raise TamperedError(key=ids.key, detail=Said("other key", "密钥不同")) from None
    pairs: NDArray[np.uint8] = np.frombuffer(raw, np.uint8).reshape(-1, PAIR)
    return pairs


def _cipher(archive: Archive, key: str) -> AESGCM:
    return AESGCM(derive_key(archive.night_keys().token_key, f"known/{key}"))
