"""`archiver.toml` as a value: what an operator may say, and what is refused at once.

Pure: files and the environment are read by `wiring`. Unknown keys are errors, so that a
misspelt protection is never silently absent.
"""

from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from archiver.complaints import complaints
from archiver.errors import ConfigurationError, Said
from archiver.retention import Rule, require_lawful
from archiver.sections import CodesSection, Section, ServiceSection

DEFAULT_MAX_BYTES: Final = 200 << 30
"""Rows of about 700 bytes in memory: some 300 million orders. A night beyond is a mistake."""


class ArchiveSection(Section):
    """`[archive]`."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,64}$")]
    role: Literal["platform", "shop"]
    legal_basis: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)]
    """E.g. 电子商务法第三十一条. Without one, nothing may be kept for years (PIPL Art. 13)."""
    timezone: str = "Asia/Shanghai"
    grace_hours: float = Field(default=2, ge=0, le=72)
    lookback_days: int = Field(default=7, ge=1, le=60)
    since: date | None = None
    """The first day to seal; the oldest finished order if not given."""
    census_days: int = Field(default=180, ge=0, le=3660)
    """How far back rows were created that a census looks at; 0 takes none."""
    open_days: int = Field(default=30, ge=0, le=3660)
    """A paid order that is open for longer is sealed as it is; 0: never."""
    max_revisions_per_night: int = Field(default=10_000, ge=0)
    max_bytes_per_night: int = Field(default=DEFAULT_MAX_BYTES, gt=0)
    credit_code: str | None = None
    icp: str | None = None

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            message = Said(f"no time zone is called {name}", f"没有名为 {name} 的时区")
            raise ValueError(message) from None
        return name


class StoreSection(Section):
    """`[store]`."""

    url: Annotated[str, StringConstraints(pattern=r"^(s3://|dir:).+")]
    endpoint: str | None = None
    region: str | None = None

    def is_at(self, url: str, endpoint: str | None) -> bool:
        """Tell whether another address leads to the same place."""
        return (self.url.rstrip("/"), self.endpoint) == (url.rstrip("/"), endpoint)


class LoginSection(Section):
    """Credentials of a store: a profile of the AWS files, or names of variables."""

    profile: str | None = None
    access_key_env: str | None = None
    secret_key_env: str | None = None
    session_token_env: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.access_key_env is None) != (self.secret_key_env is None):
            message = Said(
                "access_key_env and secret_key_env belong together",
                "access_key_env 与 secret_key_env 须同时给出",
            )
            raise ValueError(message)
        if self.session_token_env is not None and self.access_key_env is None:
            message = Said(
                "session_token_env belongs to access_key_env",
                "session_token_env 须与 access_key_env 同用",
            )
            raise ValueError(message)
        if self.profile is not None and self.access_key_env is not None:
            message = Said("give a profile or keys, not both", "profile 与密钥只能给出其一")
            raise ValueError(message)
        return self

    @property
    def named(self) -> bool:
        """Whether it says any."""
        return self.profile is not None or self.access_key_env is not None


class ProverSection(LoginSection):
    """`[prover]`: credentials that may delete, for `prove-lock` alone; the store's if empty."""


class RetentionSection(Section):
    """`[retention]`."""

    years: int = 3
    margin_days: int = Field(default=10, ge=0, le=366)


class KeysSection(Section):
    """`[keys]`: where private halves and secrets are; a night needs the last two only."""

    root: str = "file:root.key"
    reveal_root: str = "file:reveal-root.key"
    identity: str = "file:identity.key"
    signer: str = "file:signer.key"
    token: str = "file:token.key"  # noqa: S105  a place, not a secret
    operators: str = "file:operators.key"
    """Under which operators' factors are kept; made with the first operator."""


class SourceSection(Section):
    """`[[source]]`."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    preset: str
    url: str
    password_env: str | None = None
    password_file: Path | None = None
    mapping: dict[str, Any] | str | None = None
    """For `preset = "sql"`: a TOML file, or the mapping itself."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """What the preset asks for, e.g. a table prefix."""
    timezone: str | None = None
    """Of times in databases without zones; the archive's if not given."""
    purges_after_days: int | None = Field(default=None, ge=0)
    """The shop deletes orders by itself when they ended so long ago: that is no alarm."""
    purged_through: date | None = None
    """Orders that ended on this day or before were deleted from it on purpose."""
    page_rows: int = Field(default=25_000, ge=1, le=500_000)
    timeout_seconds: float = Field(default=300, gt=0)


class IndexSection(Section):
    """`[index]`."""

    path: Path = Path("index")


class StateSection(Section):
    """`[state]`."""

    url: str = "sqlite:///state.db"
    """Or `postgresql://user@host/database`: one for all hosts of this archive."""
    password_env: str | None = None

    @property
    def shared(self) -> bool:
        """Whether several hosts can use it at once."""
        return self.url.startswith("postgresql:")


class ReconcileSection(Section):
    """`[reconcile]`."""

    accounts: tuple[str, ...] = ()
    """The shop's accounts at its payment providers; a statement of any other is refused."""


class AccessSection(Section):
    """`[access]`: the access log of this host."""

    node: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "main"
    """The name of this host's chain; of several hosts each has its own."""
    head_file: Path | None = None
    """Where the chain's head is told: a place that this host's root cannot rewrite."""


class OperatorsSection(Section):
    """`[operators]`: how long a login lasts."""

    session_idle_minutes: int = Field(default=15, ge=1, le=120)
    session_hours: int = Field(default=8, ge=1, le=24)


class WatchSection(Section):
    """`[watch]`: how many look like harvesting: an alarm; twice: a code; three times: a block."""

    orders_per_5m: int = Field(default=25, ge=1)
    """Different orders that one operator is shown; here the limit itself is the block."""
    misses_per_5m: int = Field(default=10, ge=1)
    """Questions that found nothing; likewise."""
    orders_per_hour: int = Field(default=60, ge=1)
    orders_per_day: int = Field(default=200, ge=1)
    misses_per_hour: int = Field(default=20, ge=1)
    misses_per_day: int = Field(default=40, ge=1)
    misses_per_week: int = Field(default=150, ge=1)
    steps_per_hour: int = Field(default=5, ge=1)
    """Numbers that follow one that was asked before; ranges of a month without a number."""
    steps_per_day: int = Field(default=15, ge=1)
    decoys_per_day: int = Field(default=1, ge=1)
    """Questions for what `archiver decoy add` has planted."""
    place_factor: int = Field(default=4, ge=1)
    """A place may do so many times what an operator may: several share it."""


class RevealSection(Section):
    """`[reveal]`: what it takes to see a card secret, beside a case and a fresh code."""

    approval: bool = True
    """Somebody else has to agree."""
    daily_cap: int = Field(default=20, ge=1, le=1_000)
    """Orders that one operator may be shown within 24 hours."""
    runner: tuple[str, ...] = ()
    """What starts the revealing process as another account, which alone can read its root."""


class AlarmsSection(Section):
    """`[alarms]`: who is told when a night or a status ends badly, and when a day is overdue."""

    webhook_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/]")] | None = None
    webhook_url_env: str | None = None
    """The variable that holds the URL, where the URL itself is a secret."""
    webhook_secret_env: str | None = None
    """The variable that holds the key which signs what is sent."""
    prometheus_textfile: Path | None = None
    sealed_by: time | None = None
    """Local time of the archive's zone: a closed day that is not sealed by then is an alarm."""

    @field_validator("sealed_by")
    @classmethod
    def _local(cls, sealed_by: time | None) -> time | None:
        if sealed_by is not None and sealed_by.tzinfo is not None:
            message = Said("a local time without a zone", "应为不带时区的当地时间")
            raise ValueError(message)
        return sealed_by

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.webhook_url is not None and self.webhook_url_env is not None:
            message = Said(
                "give webhook_url or webhook_url_env, not both",
                "webhook_url 与 webhook_url_env 只能给出其一",
            )
            raise ValueError(message)
        if self.webhook_secret_env is not None and not (self.webhook_url or self.webhook_url_env):
            message = Said(
                "webhook_secret_env signs what a webhook is sent; there is no webhook_url",
                "webhook_secret_env 用于给 webhook 签名，但没有 webhook_url",
            )
            raise ValueError(message)
        return self


Named = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""A name that can stand in keys of objects and names of files."""


class WitnessSection(LoginSection):
    """`[[witness]]`: a place that remembers the ledger's head and that nights cannot rewrite."""

    name: Named
    url: Annotated[str, StringConstraints(pattern=r"^(file:|dir:|s3://|https?://).+")]
    """Lines in a file, a second store, or a server that speaks C2SP tlog-witness."""
    endpoint: str | None = None
    region: str | None = None
    keys: tuple[str, ...] = ()
    """Of a server: its verifier keys, `name+id+base64`."""

    @property
    def is_server(self) -> bool:
        """Whether it is asked over HTTP."""
        return self.url.startswith(("http://", "https://"))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        is_s3 = self.url.startswith("s3://")
        if self.is_server != bool(self.keys):
            message = Said(
                "a witness at http(s) needs its verifier keys, and no other one has any",
                "http(s) 见证方须给出其公钥（keys），其他见证方不得给出",
            )
            raise ValueError(message)
        if is_s3 and not self.named:
            message = Said(
                "a second store needs credentials of its own: profile, or access_key_env and "
                "secret_key_env",
                "第二存储须有自己的凭证：profile，或 access_key_env 与 secret_key_env",
            )
            raise ValueError(message)
        if not is_s3 and (self.named or self.endpoint or self.region):
            message = Said(
                "endpoint, region and credentials belong to s3://",
                "endpoint、region 与凭证仅用于 s3://",
            )
            raise ValueError(message)
        return self


class TimestampSection(Section):
    """`[[timestamp]]`: an authority that says when a checkpoint existed (RFC 3161)."""

    name: Named
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/]")]
    ca: Path
    """Its root certificate, and those between where tokens lack them; PEM."""
    authorization_env: str | None = None
    """The variable that holds the Authorization header, where the authority knows customers."""


class Configuration(Section):
    """The whole file."""

    archive: ArchiveSection
    store: StoreSection
    prover: ProverSection = ProverSection()
    retention: RetentionSection = RetentionSection()
    keys: KeysSection = KeysSection()
    source: tuple[SourceSection, ...] = ()
    index: IndexSection = IndexSection()
    state: StateSection = StateSection()
    reconcile: ReconcileSection = ReconcileSection()
    alarms: AlarmsSection = AlarmsSection()
    reveal: RevealSection = RevealSection()
    access: AccessSection = AccessSection()
    operators: OperatorsSection = OperatorsSection()
    watch: WatchSection = WatchSection()
    service: ServiceSection = ServiceSection()
    codes: CodesSection = CodesSection()
    witness: tuple[WitnessSection, ...] = ()
    timestamp: tuple[TimestampSection, ...] = ()

    @field_validator("witness", "timestamp")
    @classmethod
    def _told_apart(
        cls, sections: tuple[WitnessSection | TimestampSection, ...]
    ) -> tuple[WitnessSection | TimestampSection, ...]:
        names = [section.name for section in sections]
        if len(set(names)) < len(names):
            message = Said("two of them have the same name", "其中两个同名")
            raise ValueError(message)
        return sections

    @field_validator("witness")
    @classmethod
    def _elsewhere(
        cls, sections: tuple[WitnessSection, ...], info: ValidationInfo
    ) -> tuple[WitnessSection, ...]:
        store = info.data.get("store")
        for section in sections:
            if isinstance(store, StoreSection) and store.is_at(section.url, section.endpoint):
                message = Said(
                    f"{section.name} is the store itself", f"{section.name} 就是存储本身"
                )
                raise ValueError(message)
        return sections

    @field_validator("source")
    @classmethod
    def _distinct(cls, sources: tuple[SourceSection, ...]) -> tuple[SourceSection, ...]:
        names = [source.name for source in sources]
        if len(set(names)) < len(names):
            message = Said("two sources have the same name", "两个数据源同名")
            raise ValueError(message)
        return sources

    @property
    def rule(self) -> Rule:
        """The retention rule of orders."""
        margin = timedelta(days=self.retention.margin_days)
        return Rule(years=self.retention.years, margin=margin)


def parse_configuration(fields: dict[str, Any]) -> Configuration:
    """Return the configuration in a parsed TOML file.

    Raises:
        ConfigurationError: A key is unknown, missing or wrong, or the period is unlawful.
    """
    try:
        configuration = Configuration.model_validate(fields)
    except ValidationError as error:
        # Values may be secrets (a password in a URL): the message names keys only.
        found = [(_where(place), said) for place, said in complaints(error)]
        detail = Said(
            "; ".join(f"{where}: {said}" for where, said in found),
            "；".join(f"{where}：{said.zh}" for where, said in found),
        )
        raise ConfigurationError(detail=detail) from None
    require_lawful(configuration.rule, timedelta(days=configuration.archive.lookback_days))
    return configuration


def _where(location: tuple[int | str, ...]) -> str:
    if len(location) == 1:
        return f"[{location[0]}]"
    return f"[{location[0]}] " + ".".join(map(str, location[1:]))
