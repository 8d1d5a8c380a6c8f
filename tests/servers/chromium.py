"""Debian's Chromium, driven by Playwright, and the service on a port that it can reach."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright

from tests.servers.shared import ServerMissingError

PROGRAM: Final = "chromium"
FLAGS: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
"""Tests run as root and in containers; nothing but our own pages is opened."""


@contextmanager
def running() -> Iterator[Browser]:
    """Start the browser, without a window.

    Raises:
        ServerMissingError: It is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ServerMissingError(
            "chromium is missing (Debian's package 'chromium'): `make test` as root installs it"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application in this process; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = _Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert server.ready.wait(60)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)


def screenshots() -> Path:
    """Return the folder in which pictures of pages are kept; git ignores it."""
    folder = Path(__file__).parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
