"""The private keys of a host that looks orders up: cohort keys, opened when they are needed."""

import base64
import os
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver import keyring
from archiver.archive import Archive
from archiver.errors import Said, TamperedError
from archiver.keyring import KeyName, KeyPair
from archiver.search_tokens import SearchKeys
from archiver.tokens import derive_key
from schemas.documents import Cohort, SealedObject

_NONCE: Final = 12


@dataclass(slots=True, kw_only=True)
class IndexKeys:
    """What the base root opens, and the reveal root where one is offered."""

    archive: Archive
    base: KeyPair = field(repr=False)
    reveal: KeyPair | None = field(default=None, repr=False)
    search: SearchKeys = field(repr=False)
    _cohorts: dict[str, Cohort] = field(default_factory=dict, repr=False)
    _pairs: dict[tuple[str, KeyName], KeyPair] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, archive: Archive, base: KeyPair, reveal: KeyPair | None = None) -> Self:
        """Open the token key, by which values become tokens.

        Raises:
            KeyUnavailableError: The base root is another archive's.
        """
        info = keyring.binding("token-key", archive.id)
        token_key = base.open(base64.b64decode(archive.document.token_key), info)
        return cls(archive=archive, base=base, reveal=reveal, search=SearchKeys(token_key))

    def kek(self, stored: SealedObject, name: KeyName) -> bytes:
        """Return the KEK of a stored object.

        Raises:
            KeyUnavailableError: The root that opens it is not here.
        """
        if stored.cohort not in self._cohorts:
            self._cohorts[stored.cohort] = self.archive.read_cohort(stored.cohort)
        cohort = self._cohorts[stored.cohort]
        if (stored.cohort, name) not in self._pairs:
            root = self.reveal if keyring.ROOT_OF[name] == "reveal" else self.base
            if root is None:
                message = "parts of cards are made only where the reveal root is offered"
                raise AssertionError(message)
            self._pairs[stored.cohort, name] = keyring.open_cohort_key(cohort, name, root)
        return keyring.open_kek(cohort, name, self._pairs[stored.cohort, name], stored)


def seal_names(search: SearchKeys, content: bytes, partition: str) -> bytes:
    """Return a partition's names sealed for the local index: names lie nowhere in plain."""
    nonce = os.urandom(_NONCE)
    cipher = AESGCM(derive_key(search.token_key, "index-names"))
    return nonce + cipher.encrypt(nonce, content, partition.encode())


def open_names(search: SearchKeys, sealed: bytes, partition: str) -> bytes:
    """Return a partition's names.

    Raises:
        TamperedError: They are not what was sealed, or the token key is another's.
    """
    cipher = AESGCM(derive_key(search.token_key, "index-names"))
    try:
        return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], partition.encode())
    except InvalidTag:
        raise TamperedError(
            key=partition,
            detail=Said("its names in the local index were altered", "本地索引中的名称已被改动"),
        ) from None
