"""Running the application: a socket, TLS, threads, and an end that lets answers finish."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import anyio.to_thread
import uvicorn
from fastapi import FastAPI

from archiver.errors import ConfigurationError, Said
from archiver.sections import ServiceSection
from archiver.service.app import Pages, create_app
from archiver.service.certificates import CIPHERS, Certificate, usable
from archiver.service.connections import Connection
from archiver.wiring import Installation

BACKLOG: Final = 256
IDLE_SECONDS: Final = 15
"""A connection on which nothing happens for so long is closed."""
MAX_CONNECTIONS: Final = 512
SOON_DAYS: Final = 14
"""A certificate that ends sooner is worth a warning; it is read when the service starts."""

log: Final = logging.getLogger(__name__)


def serve(
    installation: Installation,
    config: Path,
    *,
    pages: Pages | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serve until told to end (SIGTERM, SIGINT); answers that are under way are finished first.

    Args:
        installation: The configuration.
        config: Its file.
        pages: The console.
        ready: Told the address, once the socket is open.

    Raises:
        ConfigurationError: The address cannot be listened to, or TLS files cannot be used.
        KeyUnavailableError: The base root is not on this host.
    """
    section = installation.configuration.service
    shown = _certificate(section, installation)
    with _listening(section) as listening:
        app = create_app(installation, config, pages=pages, background=True)
        server = _Server(_settings(app, section, shown), section.threads)
        scheme = "https" if shown else "http"
        host, port = listening.getsockname()[:2]
        ready(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        server.run(sockets=[listening])
    log.info("ended")


class _Server(uvicorn.Server):
    """uvicorn's, with as many threads as the configuration says."""

    def __init__(self, config: uvicorn.Config, threads: int) -> None:
        super().__init__(config)
        self.threads = threads

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals as the wish to end that they are: uvicorn would die of them afterwards."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = self.threads
        await super().serve(sockets)


def _certificate(section: ServiceSection, installation: Installation) -> Certificate | None:
    """Return the TLS files, if there are any; whoever has none is refused before all else."""
    if section.tls_certificate is None or section.tls_key is None:
        return None
    folder, now = installation.folder, installation.clock.now()
    found = usable(folder / section.tls_certificate, folder / section.tls_key, now)
    days = (found.ends_at - now).days
    told = log.warning if days < SOON_DAYS else log.info
    told("certificate", extra={"ends": f"{found.ends_at:%Y-%m-%d}", "days": days})
    return found


def _settings(
    app: FastAPI, section: ServiceSection, shown: Certificate | None = None
) -> uvicorn.Config:
    settings = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it writes addresses as they were asked for; ours does not
        proxy_headers=False,  # `peers` reads them, of listed proxies
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=section.drain_seconds,
        ssl_certfile=shown.certificate if shown else None,
        ssl_keyfile=shown.key if shown else None,
        ssl_ciphers=CIPHERS,
    )
    try:
        settings.load()
    except OSError as error:  # of the TLS files; ssl's own error is one
        raise ConfigurationError(
            detail=Said(
                f"[service] tls_certificate, tls_key: {error.strerror or type(error).__name__}",
                f"[service] tls_certificate、tls_key：{error.strerror or type(error).__name__}",
            )
        ) from None
    return settings


def _listening(section: ServiceSection) -> socket.socket:
    family = socket.AF_INET6 if ":" in section.host else socket.AF_INET
    try:
        return socket.create_server((section.host, section.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            detail=Said(
                f"[service] {section.host}:{section.port} cannot be listened to: {error.strerror}",
                f"[service] 无法监听 {section.host}:{section.port}：{error.strerror}",
            )
        ) from None
