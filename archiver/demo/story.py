"""What the demonstration does, step by step, as an operator would.

Responsible for doing it for real: a shop's database, an archive with its own keys, nights over
the sealed days' real dates. Nothing that is told was written beforehand: every step yields what
has happened.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Final

from archiver.access_log.entry import Chained
from archiver.archive import Archive
from archiver.demo.office import STAFF, Office
from archiver.demo.shop import Change, Shop
from archiver.errors import ArchiverError, LockedError, RequestError, Said
from archiver.index import PartitionPlace
from archiver.lookup.answering import Answered
from archiver.nightly import NightReport
from archiver.policy import Role
from archiver.ports import Progress
from archiver.proof import with_digest
from archiver.reveal import Revealed
from archiver.verification.findings import Finding
from archiver.verification.ground import Verified
from archiver.verification.verifying import Verification
from archiver.verifiers import open_verification
from archiver.wiring import Installation
from schemas import verify_proof

ORDERS: Final = 20_000
DAYS: Final = 60
CONFIGURATION: Final = "archiver.toml"
SHOP: Final = "shop.db"
VAULT: Final = "vault"
_ENCRYPTED: Final = 200
"""Where the first column's bytes are, in any partition."""
SOURCE: Final = "main"
ANCHOR: Final = "archive.json"
PROOF: Final = "order.proof.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopOpened:
    """A shop's database has been filled."""

    path: Path
    orders: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """The archive has its keys."""

    archive: Archive
    files: Sequence[str]
    """What lies in the folder now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightPassed:
    """A night has been run."""

    number: int
    as_of: date
    report: NightReport
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPassed:
    """The shop has gone on."""

    day: date
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeOpened:
    """The search index is built, and operators have logged in."""

    operators: Mapping[str, Role]
    orders: int
    """In the index, revisions included."""
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFound:
    """Support has found an order by its payment number, and looked at each revision."""

    operator: str
    payment_no: str
    found: Answered
    revisions: Sequence[Answered]
    role: Role
    seconds: float
    """Of the finding alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRefused:
    """Somebody was refused an order's card secret."""

    operator: str
    refusal: ArchiverError


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretShown:
    """Compliance was shown it, after somebody else had agreed, with a fresh code."""

    operator: str
    approval: int
    approved_by: str
    revealed: Revealed
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """The access log has all of it."""

    entries: Sequence[Chained]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """In how many files a text stands in plain."""

    what: str
    """`order`, `secret` or `query-password`."""
    in_shop: int
    in_archive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """Shop and archive have been searched byte by byte."""

    hits: Sequence[Hit]
    files: int
    """Of the archive: store, local index, keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionTried:
    """The store was asked to destroy a partition."""

    key: str
    until: datetime | None
    """What the lock answered; None if the store obeyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampered:
    """One byte of the vault was changed; verified before, then, and when it was put back."""

    key: str
    objects: int
    """That were looked at."""
    before: Sequence[Finding]
    findings: Sequence[Finding]
    """Alarms while the byte was another one."""
    after: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProven:
    """An order was proven to a stranger, who believed it, and then not a forged one."""

    operator: str
    order: str
    path: Path
    said: Sequence[str]
    """By the script for strangers, line by line."""
    changed: str
    """What somebody has made of the amount."""
    refusal: str
    """What the script says of that; empty if it believes it."""


PeoplesStep = OfficeOpened | OrderFound | SecretRefused | SecretShown | LogRead | OrderProven
Step = (
    ShopOpened
    | Founded
    | NightPassed
    | DayPassed
    | PeoplesStep
    | Searched
    | DeletionTried
    | Tampered
)


@dataclass(slots=True)
class Story:
    """The demonstration in one folder."""

    folder: Path
    progress: Progress
    orders: int = ORDERS

    def run(self) -> Iterator[Step]:
        """Do everything, step by step.

        Raises:
            RequestError: The folder is not empty.
        """
        self._prepare()
        installation = Installation.load(self.folder / CONFIGURATION)
        last = installation.rules.last_closed_day(installation.clock.now())
        shop = Shop(self.folder / SHOP, last_day=last, days=DAYS)
        a_day = self.orders // DAYS
        before = last - timedelta(days=1)
        yield ShopOpened(
            path=shop.path,
            orders=shop.open_until(before, self.orders - a_day),
            first_day=shop.first_day,
            last_day=before,
        )
        archive = installation.initialise()
        files = sorted(path.name for path in self.folder.iterdir())
        yield Founded(archive=archive, files=files)
        yield self._night(installation, 1, before)
        change = shop.pass_day(a_day)
        yield DayPassed(day=last, change=change)
        yield self._night(installation, 2, last)
        yield self._night(installation, 3, last)
        yield from self._look_up(installation, shop, change)

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise RequestError(
                detail=Said(
                    f"{self.folder} is not empty; give another --folder",
                    f"{self.folder} 不是空目录，请用 --folder 另行指定",
                )
            )
        text = resources.files("archiver.demo").joinpath(CONFIGURATION).read_text("utf-8")
        (self.folder / CONFIGURATION).write_text(text, "utf-8")

    def _night(self, installation: Installation, number: int, as_of: date) -> NightPassed:
        start = installation.clock.now()
        with installation.night(self.progress) as night:
            report = night.run(as_of)
        return NightPassed(
            number=number,
            as_of=as_of,
            report=report,
            seconds=(installation.clock.now() - start).total_seconds(),
        )

    def _look_up(self, installation: Installation, shop: Shop, change: Change) -> Iterator[Step]:
        clock = installation.clock
        start = clock.now()
        archive = installation.archive()
        catalog = installation.catalog(archive)
        catalog.refresh()
        built = installation.index_builder(archive, self.progress).update(catalog.entries)
        office = Office(installation, self.progress)
        office.open()
        seconds = (clock.now() - start).total_seconds()
        yield OfficeOpened(
            operators=STAFF, orders=built.orders, tokens=built.tokens, seconds=seconds
        )
        payment_no = shop.payment_no(change.replaced)
        start = clock.now()
        found = office.find(payment_no)
        seconds = (clock.now() - start).total_seconds()
        (order,) = found.orders
        revisions = list(office.revisions(change.replaced, len(order.revisions)))
        yield OrderFound(
            operator="sue",
            payment_no=payment_no,
            found=found,
            revisions=revisions,
            role=STAFF["sue"],
            seconds=seconds,
        )
        for name in ("sue", "carol"):
            refusal = office.reveal(name, change.replaced)
            if isinstance(refusal, ArchiverError):
                yield SecretRefused(operator=name, refusal=refusal)
        approval = office.approve("dora")
        start = clock.now()
        revealed = office.reveal("carol", change.replaced)
        if isinstance(revealed, ArchiverError):
            raise revealed
        yield SecretShown(
            operator="carol",
            approval=approval,
            approved_by="dora",
            revealed=revealed,
            seconds=(clock.now() - start).total_seconds(),
        )
        yield self._proven(office, change.replaced)
        yield LogRead(entries=office.log())
        yield self._searched(
            shop,
            {
                "order": change.replaced,
                "secret": change.secret,
                "query-password": shop.search_password(change.replaced),
            },
        )
        yield self._deletion_tried(archive, order.hit.partition)
        yield self._tampered(installation, order.hit.partition)

    def _proven(self, office: Office, order_id: str) -> OrderProven:
        path = self.folder / PROOF
        office.prove("carol", order_id, path)
        believed = self._checked(path)
        # Whoever forges it knows how to make its digest.
        forged = path.with_suffix(".forged")
        proof = json.loads(path.read_bytes())
        fields = proof["order"]["transaction"]["fields"]
        changed = fields["money.paid"][:-1] + ("1" if fields["money.paid"][-1] == "0" else "0")
        fields["money.paid"] = changed
        del proof["sha256"]
        forged.write_bytes(with_digest(proof))
        refused = self._checked(forged)
        forged.unlink()
        return OrderProven(
            operator="carol",
            order=order_id,
            path=path,
            said=believed.stdout.splitlines(),
            changed=changed,
            refusal=refused.stderr.strip() if refused.returncode else "",
        )

    def _checked(self, proof: Path) -> "subprocess.CompletedProcess[str]":
        """Run the script as a stranger does."""
        anchor = self.folder / ANCHOR
        command = [sys.executable, "-I", verify_proof.__file__, str(proof), "--anchor", str(anchor)]
        return subprocess.run(  # noqa: S603  nothing of it comes from outside
            command, capture_output=True, check=False, encoding="utf-8", env={"PYTHONUTF8": "1"}
        )

    def _deletion_tried(self, archive: Archive, place: PartitionPlace) -> DeletionTried:
        try:
            archive.store.delete_version(place.key, place.version_id)
        except LockedError:
            until = archive.store.head(place.key, place.version_id).retain_until
            return DeletionTried(key=place.key, until=until)
        return DeletionTried(key=place.key, until=None)

    def _tampered(self, installation: Installation, place: PartitionPlace) -> Tampered:
        """Change a byte of a partition, as root of this host can, and verify."""
        before = self._verified(installation)
        (path,) = (self.folder / VAULT / place.key).iterdir()
        content = path.read_bytes()
        changed = bytes([content[_ENCRYPTED] ^ 1])
        _write(path, content[:_ENCRYPTED] + changed + content[_ENCRYPTED + 1 :])
        during = self._verified(installation)
        _write(path, content)
        return Tampered(
            key=place.key,
            objects=during.objects_read,
            before=before.alarms,
            findings=during.alarms,
            after=self._verified(installation).alarms,
        )

    def _verified(self, installation: Installation) -> Verified:
        config = self.folder / CONFIGURATION
        with open_verification(installation, config, workers=1, progress=self.progress) as ground:
            return Verification(ground, full=True).run()

    def _searched(self, shop: Shop, texts: Mapping[str, str]) -> Searched:
        # The proof is made to be read: it is no part of the archive.
        others = {shop.path, self.folder / PROOF}
        files = [path for path in self.folder.rglob("*") if path.is_file() and path not in others]
        contents = [path.read_bytes() for path in files]
        in_shop = shop.path.read_bytes()
        hits = [
            Hit(
                what=what,
                in_shop=int(text.encode() in in_shop),
                in_archive=sum(text.encode() in content for content in contents),
            )
            for what, text in texts.items()
        ]
        return Searched(hits=hits, files=len(files))


def _write(path: Path, content: bytes) -> None:
    """Write into a file of the vault: it is read-only, which stops nobody who owns it."""
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(0o400)
