"""A bucket, a prefix in it, and how patiently requests are sent there.

botocore sends each request once. Whether one is sent again is decided here and nowhere else:
two layers of retries multiply, and a test can count only what one layer sends.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import stamina
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader, create_loader
from botocore.session import get_session
from botocore.utils import parse_timestamp

from archiver.errors import ConfigurationError, Said, StoreAccessError
from archiver.stores.s3_errors import S3_ERRORS, is_transient, translate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 60
"""Without a single byte; a slow server that goes on sending is waited for."""

_CONNECTIONS: Final = 32
"""A night's parallel PUTs or a host's parallel lookups, with room to spare."""
_USER_AGENT: Final = "archiver"
"""botocore puts its own together anew for each request, from thirty parts: a tenth of a GET."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a transient fault is met by sending again.

    Waits double from `first_wait` to `longest_wait`, with as much jitter as `first_wait`.
    """

    attempts: int = 5
    first_wait: timedelta = timedelta(milliseconds=200)
    longest_wait: timedelta = timedelta(seconds=10)
    give_up_after: timedelta = timedelta(minutes=3)
    """No new attempt begins later than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Credentials other than those that the AWS chain finds; a profile, or two keys."""

    profile: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


PATIENCE: Final = Patience()
"""Eight seconds of trouble are nobody's business; longer ones are the next run's."""
BRIEF: Final = Patience(
    attempts=2, longest_wait=timedelta(seconds=1), give_up_after=timedelta(seconds=20)
)
"""For a store that nothing waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where a store's objects are, and the way to ask for them."""

    client: "S3Client"
    name: str
    prefix: str
    """Empty, or ending in a slash."""
    patience: Patience

    def path(self, key: str) -> str:
        """Return the object's key in the bucket."""
        return f"{self.prefix}{key}"

    def send(self, request: Callable[[], T]) -> T:
        """Return the answer; send again while the fault is transient.

        Raises:
            botocore's errors, `S3_ERRORS`: the last one met.
        """
        patience = self.patience
        # The request is a closure: stamina logs arguments, and bodies do not belong in logs.
        return stamina.RetryingCaller(
            attempts=patience.attempts,
            timeout=patience.give_up_after,
            wait_initial=patience.first_wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.first_wait,
        ).on(is_transient)(request)

    def ask(self, key: str, request: Callable[[], T]) -> T:
        """Return the answer, or raise our own error about `key`.

        Raises:
            ObjectMissingError: There is no such object or version.
            StoreAccessError: The server refuses us.
            ClockError: It refuses our clock.
            StoreError: It did not answer, as often as it was asked.
        """
        try:
            return self.send(request)
        except S3_ERRORS as error:
            raise translate(error, key) from error


def open_bucket(
    url: str,
    endpoint: str | None,
    region: str | None,
    patience: Patience,
    login: Login | None = None,
) -> Bucket:
    """Return the bucket and prefix that `s3://bucket/prefix` names. Nothing is sent.

    Credentials come from the usual AWS chain: environment, files, the machine's role.

    Args:
        url: The store's URL.
        endpoint: An S3-compatible server, addressed by path; None for AWS.
        region: The bucket's region.
        patience: How transient faults are met.
        login: Other credentials than the chain's.

    Raises:
        ConfigurationError: `url` or `endpoint` is not of this form.
        StoreAccessError: The AWS configuration of this host cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(
            detail=Said(
                f"[store] url = {url!r} is not s3://bucket/prefix",
                f"[store] url = {url!r} 不是 s3://bucket/prefix 的形式",
            )
        )
    if endpoint is not None:
        _require_plain(endpoint)
    login = login or Login()
    try:
        client = _session(login).client(
            "s3",
            region_name=region,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                max_pool_connections=_CONNECTIONS,
                user_agent=_USER_AGENT,
                retries={"total_max_attempts": 1, "mode": "standard"},
                # Ours is SHA-256, computed once; other servers do not know boto3's trailers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if endpoint else "auto"},
            ),
        )
    except ValueError as error:  # among them botocore's for regions
        raise ConfigurationError(
            detail=Said(
                f"[store] endpoint or region: {error}", f"[store] 的 endpoint 或 region：{error}"
            )
        ) from error
    except BotoCoreError as error:
        raise StoreAccessError(detail=str(error)) from error
    prefix = parts.path.strip("/")
    return Bucket(
        client=client,
        name=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        patience=patience,
    )


def _session(login: Login) -> Session:
    """Return a session of its own: whatever stands in environment and files is read anew.

    Only the service's description is common to all of this process: parsing it is nine tenths of
    what a client costs.
    """
    core = get_session()
    session = Session(
        botocore_session=core,
        profile_name=login.profile,
        aws_access_key_id=login.access_key,
        aws_secret_access_key=login.secret_key,
        aws_session_token=login.session_token,
    )
    core.register_component("data_loader", _models(core.get_config_variable("data_path")))
    parsers = core.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=instant)
    return session


@cache
def _models(data_path: str | None) -> Loader:
    """Return what reads and remembers descriptions of services."""
    return create_loader(data_path)


def instant(text: str) -> datetime:
    """Return a time that a server wrote: what botocore would, which guesses at any form for longer.

    Each answer has two of them: a tenth of a GET.
    """
    read = datetime.fromisoformat if text[:4].isdecimal() else parsedate_to_datetime
    with suppress(ValueError):
        at = read(text)
        if at.tzinfo is not None:
            return at
    guessed: datetime = parse_timestamp(text)
    return guessed


def _require_plain(endpoint: str) -> None:
    """Refuse an endpoint with anything but scheme, host and port: errors quote it."""
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            detail=Said(
                "[store] endpoint is not http(s)://host:port",
                "[store] endpoint 不是 http(s)://host:port 的形式",
            )
        )
    if "@" in parts.netloc or parts.query or parts.path.strip("/"):
        raise ConfigurationError(
            detail=Said(
                "[store] endpoint takes scheme, host and port only; credentials come from "
                "the environment or the AWS files",
                "[store] endpoint 只能包含协议、主机和端口；凭证来自环境变量或 AWS 配置文件",
            )
        )
