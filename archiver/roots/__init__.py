"""Roots: the two key pairs from which everything opens (FORMAT.md 4).

Responsible for making a root, for opening it again, and for refusing that base and reveal
are one and the same. A private half is kept in a key file, sealed under a passphrase, or
sealed by AWS KMS. Refuses whatever is not the root whose public half `archive.json` names.

No error, repr or log line carries a seed, a passphrase or a part of one.
"""

import base64
import hmac
from collections.abc import Mapping
from typing import assert_never

from archiver.errors import ConfigurationError, KeyUnavailableError, Said
from archiver.keyring import SEED_SIZE, KeyPair
from archiver.roots import aws_kms, passphrase
from archiver.roots.aws_kms import KmsClients, kms_client
from archiver.roots.passphrase import PassphraseCost
from archiver.roots.secret_files import (
    SECRET_SIZES,
    SecretKind,
    archive_in,
    create_secret_file,
    read_secret_file,
)
from archiver.roots.specs import (
    ROOT_KEYS,
    FileRoot,
    KmsRoot,
    PassphraseRoot,
    RootName,
    RootSpec,
    parse_root_spec,
)
from schemas.documents import Root, RootProtection

__all__ = [
    "SECRET_SIZES",
    "FileRoot",
    "KmsClients",
    "KmsRoot",
    "PassphraseCost",
    "PassphraseRoot",
    "RootName",
    "RootSpec",
    "SecretKind",
    "archive_in",
    "create_root",
    "create_secret_file",
    "kept_root",
    "kms_client",
    "open_root",
    "parse_root_spec",
    "read_secret_file",
    "refuse_equal_roots",
]

_DEFAULT_COST = PassphraseCost()


def create_root(
    spec: RootSpec,
    archive: str,
    role: RootName,
    *,
    environment: Mapping[str, str],
    kms: KmsClients = kms_client,
    cost: PassphraseCost = _DEFAULT_COST,
) -> Root:
    """Make a new root; what is returned goes into `archive.json`.

    A key file is written durably and never replaces anything. The pair itself is not
    returned: whoever needs it opens it, which proves that it can be opened.

    Args:
        spec: How the private half is kept.
        archive: The archive's id.
        role: Which root this is.
        environment: Where passphrases are.
        kms: Makes the AWS KMS client, called only if needed.
        cost: What a guess at the passphrase costs.

    Raises:
        AlreadyInitialisedError: The key file exists. It is untouched.
        ConfigurationError: The key file's folder cannot be written.
        LocalDiskError: The disk refused the key file. Nothing is left.
        KeyUnavailableError: No passphrase or a short one, or AWS KMS refuses.
        KeyServiceError: AWS KMS did not answer.
    """
    pair = KeyPair.generate()
    match spec:
        case FileRoot():
            create_secret_file(spec.path, "root", archive, pair.seed, role=role)
            protection = RootProtection(kind="file")
        case PassphraseRoot():
            protection = passphrase.seal_seed(
                spec, pair.seed, archive, role, environment=environment, cost=cost
            )
        case KmsRoot():
            protection = aws_kms.seal_seed(spec, pair.seed, archive, role, kms=kms)
        case _:
            assert_never(spec)
    return Root(public_key=_public_key(pair), protection=protection)


def kept_root(spec: FileRoot, archive: str, role: RootName) -> Root:
    """Return what goes into `archive.json` of a root whose key file was made before.

    Raises:
        KeyUnavailableError: The file is damaged, or of another kind, archive or role.
    """
    pair = KeyPair(read_secret_file(spec.path, "root", archive, role=role))
    return Root(public_key=_public_key(pair), protection=RootProtection(kind="file"))


def open_root(
    spec: RootSpec,
    root: Root,
    archive: str,
    role: RootName,
    *,
    environment: Mapping[str, str],
    kms: KmsClients = kms_client,
) -> KeyPair:
    """Return the root's key pair, proven to be the one whose public half is in `root`.

    Args:
        spec: Where the configuration says the private half is.
        root: The root as the verified `archive.json` describes it.
        archive: The archive's id.
        role: Which root is wanted.
        environment: Where passphrases are.
        kms: Makes the AWS KMS client, called only if needed.

    Raises:
        KeyUnavailableError: Missing, readable by others, wrong, or altered.
        KeyServiceError: AWS KMS did not answer.
    """
    protection = root.protection
    if str(spec).partition(":")[0] != protection.kind:
        raise KeyUnavailableError(
            key=ROOT_KEYS[role],
            detail=Said(
                f"[keys] says {spec}, but the archive was made with {protection.kind}:…",
                f"[keys] 写的是 {spec}，而档案库建立时用的是 {protection.kind}:…",
            ),
        )
    match spec:
        case FileRoot():
            seed = read_secret_file(spec.path, "root", archive, role=role)
        case PassphraseRoot():
            seed = passphrase.open_seed(spec, protection, archive, role, environment=environment)
        case KmsRoot():
            seed = aws_kms.open_seed(spec, protection, archive, role, kms=kms)
        case _:
            assert_never(spec)
    if len(seed) != SEED_SIZE or _public_key(KeyPair(seed)) != root.public_key:
        raise KeyUnavailableError(
            key=ROOT_KEYS[role],
            detail=Said(
                f"{spec} does not hold this archive's {role} root; restore it",
                f"{spec} 中不是此档案库的{ROOT_KEYS[role].zh}密钥，请恢复",
            ),
        )
    return KeyPair(seed)


def refuse_equal_roots(
    base: RootSpec,
    reveal: RootSpec,
    *,
    environment: Mapping[str, str],
    kms: KmsClients | None = None,
) -> None:
    """Refuse that one file, passphrase or AWS KMS key opens both roots.

    A passphrase that is not set here is not compared: a night has none.

    Args:
        base: The base root.
        reveal: The reveal root.
        environment: Where passphrases are.
        kms: Makes the AWS KMS client that resolves aliases; None compares the names only.

    Raises:
        ConfigurationError: They are equal: whoever opens orders could open card secrets.
        KeyUnavailableError: AWS KMS refuses to tell.
        KeyServiceError: AWS KMS did not answer.
    """
    match base, reveal:
        case FileRoot(), FileRoot():
            equal = _same_file(base, reveal)
        case PassphraseRoot(), PassphraseRoot():
            one = passphrase.normal_passphrase(base, environment)
            other = passphrase.normal_passphrase(reveal, environment)
            equal = base == reveal or (one != b"" and hmac.compare_digest(one, other))
        case KmsRoot(), KmsRoot():
            equal = base == reveal or (
                kms is not None
                and aws_kms.resolved_key(base, "base", kms=kms)
                == aws_kms.resolved_key(reveal, "reveal", kms=kms)
            )
        case _:
            equal = False
    if equal:
        raise ConfigurationError(
            detail=Said(
                f"[keys] root ({base}) and reveal_root ({reveal}) are the same; "
                "card secrets need a root of their own",
                f"[keys] 的 root（{base}）与 reveal_root（{reveal}）相同；卡密须有自己的根密钥",
            )
        )


def _same_file(base: FileRoot, reveal: FileRoot) -> bool:
    if base.path.resolve() == reveal.path.resolve():
        return True
    # Two names of one file, also where the file system ignores case.
    return base.path.exists() and reveal.path.exists() and base.path.samefile(reveal.path)


def _public_key(pair: KeyPair) -> str:
    return base64.b64encode(pair.public_key).decode()
