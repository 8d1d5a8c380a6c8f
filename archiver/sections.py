"""What sections of `archiver.toml` share, and those of the service. Pure."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from archiver.errors import Said


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceSection(Section):
    """`[service]`: what `archiver serve` listens to, and whom it lets ask how often."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    names: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    """What it is called by (the Host header); a request for any other name is refused."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose X-Forwarded-For counts; of nobody else's it does."""
    max_body_kib: int = Field(default=256, ge=1, le=65_536)
    body_seconds: float = Field(default=10, gt=0, le=600)
    """How long a request may take to arrive."""
    threads: int = Field(default=16, ge=1, le=256)
    """Requests that are worked on at once."""
    index_seconds: float = Field(default=60, gt=0)
    """Between two looks whether something new was sealed."""
    monitors: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses or networks that may read the metrics."""
    quiet_ms: int = Field(default=150, ge=0, le=5_000)
    """A buyer's "no" leaves so long after its question came, whatever the reason."""
    requests_per_minute: int = Field(default=120, ge=1)
    """Of one session, token, or address that has none."""
    drain_seconds: int = Field(default=30, ge=0)
    """How long requests that are under way may take when it is told to end."""

    @field_validator("proxies", "monitors")
    @classmethod
    def _networks(cls, listed: tuple[str, ...]) -> tuple[str, ...]:
        for one in listed:
            try:
                ip_network(one, strict=False)
            except ValueError:
                message = Said(f"{one} is no address or network", f"{one} 不是地址或网段")
                raise ValueError(message) from None
        return listed

    @model_validator(mode="after")
    def _private(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            message = Said(
                "tls_certificate and tls_key belong together",
                "tls_certificate 与 tls_key 须同时给出",
            )
            raise ValueError(message)
        local = self.host in ("localhost", "127.0.0.1", "::1")
        if not local and self.tls_certificate is None and not self.proxies:
            message = Said(
                f"host = {self.host} is reached from other hosts: give tls_certificate and "
                "tls_key, or the proxies that speak TLS for it",
                f"host = {self.host} 可从其他主机访问：请给出 tls_certificate 与 tls_key，"
                "或在 proxies 中列出负责 TLS 的代理",
            )
            raise ValueError(message)
        return self


class CodesSection(Section):
    """`[codes]`: who carries a buyer's one-time code; without any, buyers are shown no secrets."""

    webhook_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/]")] | None = None
    webhook_url_env: str | None = None
    webhook_secret_env: str | None = None
    sendmail: str | None = None
    """A program that takes a message on standard input and its recipient from it (`-t`)."""
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_tls: Literal["starttls", "implicit", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password_env: str | None = None
    smtp_ca: Path | None = None
    """The authority of a mail server of one's own, PEM; default: those that this host trusts."""
    sender: Annotated[str, StringConstraints(pattern=r"^[^\s@]+@[^\s@]+$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        ways = (self.webhook_url, self.webhook_url_env, self.sendmail, self.smtp_host)
        if sum(way is not None for way in ways) > 1:
            message = Said(
                "one of webhook_url, webhook_url_env, sendmail and smtp_host",
                "webhook_url、webhook_url_env、sendmail、smtp_host 只能给出其一",
            )
            raise ValueError(message)
        if (self.sendmail or self.smtp_host) and self.sender is None:
            message = Said("sender is missing: who the mail is from", "缺少 sender：邮件发件人")
            raise ValueError(message)
        if (self.smtp_user is None) != (self.smtp_password_env is None):
            message = Said(
                "smtp_user and smtp_password_env belong together",
                "smtp_user 与 smtp_password_env 须同时给出",
            )
            raise ValueError(message)
        local = self.smtp_host in ("localhost", "127.0.0.1", "::1", None)
        if self.smtp_tls == "none" and not local:
            message = Said(
                'smtp_tls = "none" is for a server on this host', 'smtp_tls = "none" 仅限本机服务器'
            )
            raise ValueError(message)
        return self
