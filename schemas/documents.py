"""The JSON documents of the archive, as values (FORMAT.md 3).

Responsible for shape only: bytes are verified before they are parsed here, and what was
signed is never serialised again. Imports nothing of ours. Strict, frozen, unknown fields
refused; a new field is optional, a changed meaning is a new document version.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

FORMAT: Final = 1

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes, hexadecimal."""
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Money = Annotated[Decimal, Field(max_digits=38, decimal_places=2), PlainSerializer(str)]
"""A sum, written as a string so that no reader rounds it."""


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        message = "an instant needs its zone"
        raise ValueError(message)
    return value


Instant = Annotated[datetime, AfterValidator(_aware)]


class Document(BaseModel):
    """What all documents share."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Operator(Document):
    """Who runs the archive, as registered with the authorities."""

    credit_code: str | None = None
    """统一社会信用代码."""
    icp: str | None = None
    """ICP 备案号."""


class RootProtection(Document):
    """How a root's private half is kept. Nothing here opens it alone."""

    kind: Literal["file", "passphrase", "aws-kms"]
    sealed: Base64 | None = None
    """The 96-byte seed, encrypted by the passphrase's key or by AWS KMS."""
    salt: Base64 | None = None
    iterations: int | None = None
    lanes: int | None = None
    memory_kib: int | None = None
    key_id: str | None = None
    """The AWS KMS key or alias."""


class Root(Document):
    """A root: its public half and how its private half is kept."""

    public_key: Base64
    protection: RootProtection


class Archive(Document):
    """`archive.json`: where trust starts. Signed by the identity key that it names."""

    format: Literal[1] = 1
    kind: Literal["archive"] = "archive"
    archive: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    name: str
    role: Literal["platform", "shop"]
    legal_basis: str
    operator: Operator = Operator()
    timezone: str
    """The zone whose days cut the orders."""
    legal_zone: str
    """The zone whose calendar the retention period is counted in."""
    created_at: Instant
    identity_public_key: Hex32
    roots: dict[Literal["base", "reveal"], Root]
    token_key: Base64
    """The night's token key, HPKE-sealed to the base root (FORMAT.md 4)."""


class Signer(Document):
    """`signers/NNNN.json`: a signing key, certified by the identity key."""

    format: Literal[1] = 1
    kind: Literal["signer"] = "signer"
    archive: str
    number: int = Field(ge=1)
    public_key: Hex32
    created_at: Instant


class Revocation(Document):
    """`signers/NNNN.revoked.json`: a signing key that counts no longer, by the identity key."""

    format: Literal[1] = 1
    kind: Literal["revocation"] = "revocation"
    archive: str
    number: int = Field(ge=1)
    """The signer."""
    revoked_at: Instant
    """What the store dates later does not count."""
    reason: str = ""


class CohortKey(Document):
    """One key pair of a cohort: public half, and its seed sealed to a root."""

    public_key: Base64
    sealed_seed: Base64


class Cohort(Document):
    """`cohorts/<class>-<YYYY-MM>-<8 hex>.json`: keys for what ends its retention in one month."""

    format: Literal[1] = 1
    kind: Literal["cohort"] = "cohort"
    archive: str
    cohort: Annotated[str, StringConstraints(pattern=r"^[a-z]+-[0-9]{4}-[0-9]{2}-[0-9a-f]{8}$")]
    created_at: Instant
    keys: dict[Literal["base", "reveal", "index"], CohortKey]


class Footer(Document):
    """The encrypted footer of a Parquet object: it binds all of the object's modules."""

    length: int = Field(ge=1)
    """Bytes from the footer's start to the end of the object, magic included."""
    sha256: Hex32


class SealedObject(Document):
    """One object that a manifest names. What it does not name does not count."""

    kind: Literal["orders", "rejects", "segments", "known"]
    key: str
    version_id: str
    size_bytes: int = Field(ge=1)
    sha256: Hex32
    retain_until: Instant
    rows: int = Field(ge=0)
    cohort: str
    keys: dict[Literal["base", "reveal", "index"], Base64]
    """Key-encryption keys, each HPKE-sealed to the cohort's public half of that name."""
    footer: Footer
    merkle_root: Hex32 | None = None
    """Root over the rows' leaf hashes, for orders and rejects."""
    of: str | None = None
    """For segments and known entries: the key of the orders object they describe."""


class Counts(Document):
    """`read` is always the sum of all the others but `vanished`."""

    read: int = Field(ge=0)
    orders: int = Field(default=0, ge=0)
    """Sealed for the first time."""
    revisions: int = Field(default=0, ge=0)
    unchanged: int = Field(default=0, ge=0)
    duplicates: int = Field(default=0, ge=0)
    rejects: int = Field(default=0, ge=0)
    """Rejected for the first time."""
    rejected_before: int = Field(default=0, ge=0)
    expired: int = Field(default=0, ge=0)
    vanished: int = Field(default=0, ge=0)


class ChannelSum(Document):
    """Money of one payment channel: what the source's rows say and what was sealed."""

    channel: str
    currency: str
    source_orders: int
    source_amount: Money
    """Over the day's mapped rows, as read and before anything was sealed."""
    sealed_orders: int
    sealed_amount: Money
    """Over the orders and revisions as read back from the store."""
    known_orders: int
    known_amount: Money
    """Over rows that were not sealed again: unchanged, duplicates, expired."""


class Manifest(Document):
    """`manifests/<%08d>.json`: the signed statement that a day of a source was sealed."""

    format: Literal[1] = 1
    kind: Literal["manifest"] = "manifest"
    archive: str
    number: int = Field(ge=1)
    previous: Hex32 | None
    """SHA-256 of the previous manifest's bytes; null for the first."""
    created_at: Instant
    source: Name
    day: date
    timezone: str
    mapping: str
    """Name and version of the mapping."""
    mapping_digest: Hex32
    lock: Literal["COMPLIANCE", "ADVISORY"]
    retention_years: int
    retention_margin_days: int
    counts: Counts
    outcomes: dict[str, int]
    reject_reasons: dict[str, int]
    sums: list[ChannelSum]
    objects: list[SealedObject]


class RetiredIds(Document):
    """`retirements/<source>/<32 hex>.ids`: which order of a successor is which (FORMAT.md 6)."""

    key: str
    version_id: str
    size_bytes: int = Field(ge=1)
    sha256: Hex32
    count: int = Field(ge=1)


class Retirement(Document):
    """`retirements/<source>.json`: a source that is gone, and the one that continues it."""

    format: Literal[1] = 1
    kind: Literal["retirement"] = "retirement"
    archive: str
    source: Name
    successor: Name
    created_at: Instant
    manifest: int = Field(ge=1)
    """The last manifest then."""
    head: Hex32 | None
    """SHA-256 of its bytes."""
    ids: RetiredIds | None = None
    """Where orders have other ids under the successor; null: they have kept them."""


AttackOutcome = Literal[
    "honoured",
    "repaired",
    "refused-by-lock",
    "refused-always",
    "survived",
    "refused-by-permission",
    "allowed",
]
"""FORMAT.md 3 says what each means."""


class LockAttack(Document):
    """One way in which the lock was attacked, and what became of the locked version."""

    attack: Name
    outcome: AttackOutcome
    code: str = ""
    """The server's error code, empty if it accepted the request."""
    detail: str = ""


class LockFinding(Document):
    """What a setting of the bucket means for the archive."""

    code: Name
    severity: Literal["alarm", "warning", "note"]
    detail: str = ""
    """The rule's name, the setting or the server's error code: facts, no sentence."""


class LockProof(Document):
    """`proofs/<%08d>.json`: how the store's lock stood up to attacks on objects of its own."""

    format: Literal[1] = 1
    kind: Literal["lock-proof"] = "lock-proof"
    archive: str
    number: int = Field(ge=1)
    created_at: Instant
    store: str
    """The store as it describes itself."""
    lock: Literal["COMPLIANCE", "ADVISORY"]
    verdict: Literal["proven", "failed", "advisory"]
    worm: bool
    """Whether nobody can lift a lock here: true if and only if the verdict is `proven`."""
    conditional_put: bool
    """Whether of racing writers of one key exactly one won."""
    attacks: list[LockAttack]
    findings: list[LockFinding]


class StatementRead(Document):
    """The statement that a reconciliation has compared, without anybody's numbers."""

    format: Name
    """Which export it is: `alipay-account`, `wechat-trade`, …, or `mapped`."""
    sha256: Hex32
    """Of the file as it is."""
    size_bytes: int = Field(ge=1)
    encoding: Literal["utf-8", "gb18030"]
    account: str | None
    """The provider's account, masked; null where the statement does not say."""
    account_checked: bool
    """The account is one that the configuration or the request names."""
    totals_checked: bool
    """The statement ends with totals, and they fit its rows."""
    currency: str
    start: Instant
    end: Instant
    """The period that was compared ends before this instant."""
    rows: int = Field(ge=0)
    """All rows of the file; always the sum of the following."""
    payments: int = Field(ge=0)
    refunds: int = Field(ge=0)
    others: int = Field(ge=0)
    """Fees, transfers, withdrawals: neither payment nor refund."""
    outside: int = Field(ge=0)
    """Outside the period."""
    duplicates: int = Field(ge=0)
    """Repetitions of a row; the first one counts above."""


DifferenceKind = Literal[
    "payment-without-order",
    "order-without-payment",
    "amount-differs",
    "refund-unknown",
    "duplicate-differs",
]


class Difference(Document):
    """One thing on which statement and archive do not agree."""

    kind: DifferenceKind
    day: date
    token: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None
    """Of the provider's number, or of the merchant's where there is none (FORMAT.md 6)."""
    order: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None
    """Token of the order id, where an order is concerned."""
    statement_amount: Money | None
    archive_amount: Money | None


class DifferenceTotal(Document):
    """All differences of one kind."""

    kind: DifferenceKind
    count: int = Field(ge=1)
    amount: Money
    """By the statement; of orders without a payment, by the archive."""


class ReconciledDay(Document):
    """One day and channel of a statement."""

    day: date
    channel: str
    """The payment method as sealed; empty for what has no order."""
    payments: int = Field(ge=0)
    amount: Money
    matched: int = Field(ge=0)
    """Payments that have an order, whether the amounts agree or not."""
    matched_amount: Money
    pending: int = Field(ge=0)
    refunds: int = Field(ge=0)
    refunded: Money


class Reconciliation(Document):
    """`reconciliations/<%08d>.json`: a provider's statement compared with the archive."""

    format: Literal[1] = 1
    kind: Literal["reconciliation"] = "reconciliation"
    archive: str
    number: int = Field(ge=1)
    created_at: Instant
    manifest: int = Field(ge=1)
    """The last manifest that was looked at."""
    head: Hex32
    sources: list[Name]
    statement: StatementRead
    orders_checked: bool
    """Orders of this statement's channel were searched for ones without a payment."""
    days_unsealed: list[date]
    rejects: int = Field(ge=0)
    """Rows of these days that could not be mapped: their payments seem to have no order."""
    days: list[ReconciledDay]
    totals: list[DifferenceTotal]
    differences: list[Difference]
    verdict: Literal["match", "pending", "differences"]


class AccessPart(Document):
    """`access/<node>/<%08d>.json`: what a node's access log gained since the part before."""

    format: Literal[1] = 1
    kind: Literal["access"] = "access"
    archive: str
    node: Name
    part: int = Field(ge=1)
    created_at: Instant
    first: int = Field(ge=1)
    """Number of the first entry in it."""
    last: int = Field(ge=1)
    before: Hex32 | None
    """SHA-256 of the entry before the first; null for the log's first part."""
    head: Hex32
    """SHA-256 of the last entry."""
    previous: Hex32 | None
    """SHA-256 of the part before (the whole envelope)."""
    cohort: str
    key: Base64
    """The KEK, sealed to the cohort's base key."""
    sealed: Base64
    """The entries, one a line, zlib, AES-256-GCM."""


EntryKind = Literal["manifest", "access", "lock-proof", "reconciliation", "retirement", "sighting"]


class LedgerEntry(Document):
    """One entry of the ledger: a document that the store has, as it is."""

    number: int = Field(ge=0)
    kind: EntryKind
    key: str
    version_id: str
    sha256: Hex32
    """Of the object's bytes."""
    at: Instant
    """When the document was made, by its own word."""
    day: date | None
    """The day of a manifest or a sighting."""


class LedgerPart(Document):
    """`ledger/<%08d>.json`: entries by which the ledger grew at once."""

    format: Literal[1] = 1
    kind: Literal["ledger"] = "ledger"
    archive: str
    created_at: Instant
    first: int = Field(ge=0)
    """Number of the first entry in it: as many lie before it."""
    frontier: list[Hex32]
    """Roots of the largest complete subtrees of the entries before it, left to right."""
    entries: list[str] = Field(min_length=1)
    """Each is the exact text of a `LedgerEntry`; its leaf hash is over these bytes."""


class Sighting(Document):
    """`sightings/<source>/<day>/<32 hex>.json`: finished orders as they were before their night."""

    format: Literal[1] = 1
    kind: Literal["sighting"] = "sighting"
    archive: str
    source: Name
    day: date
    """With whose sealing its entries are compared."""
    created_at: Instant
    since: Instant
    """What ended or changed from here on was looked at …"""
    until: Instant
    """… up to this instant; `since`, where further sightings of the same look follow."""
    mapping_digest: Hex32
    """Digests of another mapping say nothing about these."""
    rows: int = Field(ge=1)
    sealed: Base64
    """Entries of 75 bytes (FORMAT.md 6), zlib, AES-256-GCM."""
