"""What a verification stands on, and what it ends in."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from archiver.archive import Archive, Rules
from archiver.keyring import KeyPair
from archiver.ports import BucketRules, Clock, ObjectStore, Progress
from archiver.verification.coverage import Coverage
from archiver.verification.findings import Finding, in_order
from archiver.verification.scope import Scope
from archiver.verification.working import Work

if TYPE_CHECKING:
    from archiver.access_log import AccessLog
    from archiver.spreading import Circle


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is verified, with what, on which host."""

    anchor: bytes
    """This host's `archive.json`."""
    store: ObjectStore
    scope: Scope
    clock: Clock
    executor: Executor
    """Where objects are checked …"""
    work: Work
    """… and by what."""
    workers: int
    progress: Progress
    root: KeyPair | None = None
    """The base root; None: what needs no key is checked."""
    memory: Path | None = None
    """Where this host keeps what it remembers of the archive itself, not of copies."""
    rules: Rules | None = None
    """Of the configuration; None where there is none."""
    sources: Sequence[str] = ()
    """Configured."""
    bucket: BucketRules | None = None
    """The bucket's settings, where they can be read."""
    access: "AccessLog | None" = None
    """Of the state that this host uses, if it has any."""
    circle: "Callable[[Archive], Circle] | None" = None
    """Who outside remembers the ledger; None where there is no configuration."""
    fenced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what was found."""

    archive: str
    findings: Sequence[Finding]
    """The gravest first."""
    full: bool
    """Everything was read."""
    opened: bool
    """The base root was at hand: rows were decrypted and leaves computed."""
    manifests: int
    entries: int
    """Of the ledger."""
    objects: int
    """Data objects that manifests name."""
    objects_read: int
    bytes_read: int
    resumed: int
    """Objects that an interrupted run had found sound."""
    coverage: Coverage

    @classmethod
    def of(cls, findings: Sequence[Finding], **about: Any) -> Self:  # noqa: ANN401  the fields
        """Return the result, findings in their order."""
        return cls(findings=in_order(findings), **about)

    @property
    def alarms(self) -> list[Finding]:
        """Findings that are alarms."""
        return [one for one in self.findings if one.severity == "alarm"]
