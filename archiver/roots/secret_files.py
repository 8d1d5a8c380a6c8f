"""Key files: small JSON files with one secret, for their owner's eyes only.

Responsible for the root, identity, signer, token and operators key files (FORMAT.md 4): written
once, durably, never replaced; read only if they are of the wanted kind and archive.

A file that others can read is refused, not warned about: a warning of a nightly job is read
by nobody, and the remedy is one command. The rule is PostgreSQL's for its TLS keys: no right
for others and, unless root owns the file and lends it to our group, none for the group. So
secrets mounted by systemd or Kubernetes for a service account work.
"""

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Final, Literal

from archiver.errors import (
    AlreadyInitialisedError,
    ConfigurationError,
    KeyUnavailableError,
    LocalDiskError,
    Said,
)
from archiver.keyring import KEYS, SEED_SIZE
from archiver.local_files import sync_folder
from archiver.roots.specs import ROOT_KEYS, RootName

SecretKind = Literal["root", "identity", "signer", "token", "operators"]

SECRET_SIZES: Final = {
    "root": SEED_SIZE,
    "identity": 32,
    "signer": 32,
    "token": 32,
    "operators": 32,
}
"""Bytes: an HPKE seed, two Ed25519 seeds (RFC 8032), the secret of HKDF, the key of HMAC."""

_FIELD: Final = {kind: "seed" if kind == "root" else "secret" for kind in SECRET_SIZES}
_ARCHIVE_ID: Final = re.compile("[0-9a-f]{32}")
_FOR_OWNER: Final = 0o600
_MAX_BYTES: Final = 4096
_OUR_MISTAKE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG}
)


def create_secret_file(
    path: Path, kind: SecretKind, archive: str, secret: bytes, *, role: RootName | None = None
) -> None:
    """Write a new key file, mode 0600, durable when this returns.

    Args:
        path: In an existing folder.
        kind: What the secret is.
        archive: The archive's id.
        secret: Of the size that the kind has.
        role: Which root, for kind `root`.

    Raises:
        AlreadyInitialisedError: There is something at `path`. It is untouched.
        ConfigurationError: The folder is missing or cannot be written.
        LocalDiskError: The disk refused. Nothing is left.
    """
    if len(secret) != SECRET_SIZES[kind]:
        message = f"a {kind} secret has {SECRET_SIZES[kind]} bytes"
        raise ValueError(message)
    fields = {
        "format": 1,
        "kind": kind,
        "role": role,
        "archive": archive,
        _FIELD[kind]: secret.hex(),
    }
    content = json.dumps({name: value for name, value in fields.items() if value is not None})
    try:
        # O_EXCL follows no link either.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, _FOR_OWNER)
    except FileExistsError:
        raise AlreadyInitialisedError(
            detail=Said(
                f"{path} exists and is never replaced; if no archive uses it, move it away",
                f"{path} 已存在，绝不覆盖；若没有档案库使用它，请移走",
            )
        ) from None
    except OSError as error:
        raise _creation_error(path, error) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _creation_error(path, error) from None


def read_secret_file(
    path: Path, kind: SecretKind, archive: str, *, role: RootName | None = None
) -> bytes:
    """Return the secret in a key file.

    Args:
        path: The file; symbolic links are followed.
        kind: What it must be.
        archive: The archive that it must belong to.
        role: Which root it must be, for kind `root`.

    Raises:
        KeyUnavailableError: Missing, readable by others, damaged, or of another kind,
            archive or role.
    """
    name = ROOT_KEYS[role] if role else KEYS[kind]
    content = _read_private(path, name)
    fields = _fields(content)
    if fields is None or fields.get("format") != 1:
        raise KeyUnavailableError(
            key=name,
            detail=Said(
                f"{path} is no key file of this format; restore it from its back-up",
                f"{path} 不是此格式的密钥文件，请从备份恢复",
            ),
        )
    if (fields.get("kind"), fields.get("role")) != (kind, role):
        found = _label(fields.get("kind"), fields.get("role"))
        wanted = _label(kind, role)
        raise KeyUnavailableError(
            key=name,
            detail=Said(
                f"{path} holds {found}, not {wanted}; name the right file in [keys]",
                f"{path} 中是{found.zh}，而不是{wanted.zh}；请在 [keys] 中写明正确的文件",
            ),
        )
    if fields.get("archive") != archive:
        raise KeyUnavailableError(
            key=name,
            detail=Said(
                f"{path} belongs to another archive, not to {archive}",
                f"{path} 属于另一个档案库，而不是 {archive}",
            ),
        )
    secret = _from_hex(fields.get(_FIELD[kind]))
    if secret is None or len(secret) != SECRET_SIZES[kind]:
        raise KeyUnavailableError(
            key=name,
            detail=Said(
                f"{path} is damaged; restore it from its back-up", f"{path} 已损坏，请从备份恢复"
            ),
        )
    return secret


def archive_in(path: Path) -> str | None:
    """Return the id of the archive that a key file says it belongs to, None if it says none.

    Nothing else of the file has been checked then.
    """
    try:
        fields = _fields(path.read_bytes()[:_MAX_BYTES])
    except OSError:
        return None
    archive = fields.get("archive") if fields else None
    return archive if isinstance(archive, str) and _ARCHIVE_ID.fullmatch(archive) else None


def may_be_read_by_others(mode: int, owner: int, us: int) -> bool:
    """Tell whether a key file's mode lets in anybody whom the rule above keeps out."""
    lent = stat.S_IRGRP if owner == 0 and us != 0 else 0
    return bool(mode & (stat.S_IRWXG | stat.S_IRWXO) & ~lent)


def _read_private(path: Path, name: Said) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise KeyUnavailableError(
            key=name,
            detail=Said(
                f"{path}: {reason}; put the file there or restore it from its back-up",
                f"{path}：{reason}；请将文件放到该处，或从备份恢复",
            ),
        ) from None
    try:
        # Asked of the open file: its name may have been turned to another one meanwhile.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyUnavailableError(
                key=name, detail=Said(f"{path} is not a regular file", f"{path} 不是普通文件")
            )
        if may_be_read_by_others(status.st_mode, status.st_uid, os.geteuid()):
            raise KeyUnavailableError(
                key=name,
                detail=Said(
                    f"{path} can be read by other users; find out who did, then: chmod 600 {path}",
                    f"{path} 可被其他用户读取；请查明谁读取过，然后执行：chmod 600 {path}",
                ),
            )
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)


# What fails to parse is dropped here, whole: Python's own errors carry the text they met.


def _fields(content: bytes) -> dict[str, object] | None:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _from_hex(text: object) -> bytes | None:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _label(kind: object, role: object) -> Said:
    # Only words that we know are repeated: the file may be anything.
    if not isinstance(kind, str) or kind not in SECRET_SIZES:
        return Said("something else", "其他内容")
    for root, name in ROOT_KEYS.items():
        if role == root:
            return Said(f"the {name} root", f"{name.zh}密钥")
    return Said(f"the {kind} key", f"{KEYS[kind].zh}密钥")


def _creation_error(path: Path, error: OSError) -> ConfigurationError | LocalDiskError:
    reason = f"{path}: {os.strerror(error.errno or errno.EIO)}"
    if error.errno in _OUR_MISTAKE:
        return ConfigurationError(
            detail=Said(
                f"{reason}; name a folder that exists and is yours",
                f"{reason}；请写明一个已存在且属于您的目录",
            )
        )
    return LocalDiskError(detail=reason)
