"""Starting the revealing process, and reading its one answer."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from archiver.errors import ArchiverError, Exit, Said
from archiver.reveal.request import REQUEST, RevealRequest

_START: Final = (
    "import sys; sys.path.append(sys.argv.pop()); from archiver.reveal.child import main; main()"
)
"""Isolated (-I): neither the working directory nor PYTHONPATH can put a module of its own in the
way of the reveal key. A checkout that is not installed is found by its path, and last."""
_FOLDER: Final = str(Path(__file__).resolve().parents[2])
_PLAIN: Final = ("PATH", "LANG", "LC_ALL", "TZ")
"""Tells nobody anything."""
PATIENCE_SECONDS: Final = 120
"""For the roots (argon2id, a key service) and one partition."""


class RevealFailedError(ArchiverError):
    """The revealing process gave no secret."""

    exit = Exit.TRY_LATER
    code = "reveal-failed"
    en = "Nothing was revealed: {detail}"
    zh = "未能显示卡密：{detail}"
    next = "archiver status"


def reveal(
    request: RevealRequest, environment: Mapping[str, str], runner: Sequence[str] = ()
) -> Sequence[Mapping[str, Any]]:
    """Return the deliveries of one order with their secrets.

    Args:
        request: Which one.
        environment: Of the process: the root's passphrase and the store's credentials are in it.
        runner: A command that starts the process as somebody else, `sudo -n -u revealer` for
            instance. Then the process has what that gives it, and of our environment only where
            programs are: the root need not be readable for whoever looks orders up.

    Raises:
        RevealFailedError: It has not worked; the message never quotes an order.
    """
    secrets: list[dict[str, Any]] = _answer(request, environment, runner)["secrets"]
    return secrets


def disclose(
    request: RevealRequest, environment: Mapping[str, str], runner: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Return the secrets of one order with their salt, as a part of its proof; see `reveal`."""
    part: dict[str, Any] = _answer(request, environment, runner)["part"]
    return part


def _answer(
    request: RevealRequest, environment: Mapping[str, str], runner: Sequence[str]
) -> dict[str, Any]:
    child = subprocess.Popen(  # noqa: S603  nothing of it comes from outside
        [*runner, sys.executable, "-I", "-c", _START, _FOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a traceback might quote a secret
        env={name: environment[name] for name in _PLAIN if name in environment}
        if runner
        else dict(environment),
    )
    limit = threading.Timer(PATIENCE_SECONDS, child.kill)
    limit.daemon = True
    limit.start()
    try:
        with child:
            content = _asked(child, REQUEST.dump_json(request) + b"\n")
    finally:
        limit.cancel()
    try:
        answer: dict[str, Any] = json.loads(content)
    except ValueError:
        raise RevealFailedError(
            detail=Said(
                f"the revealing process ended early (code {child.returncode})",
                f"显示进程提前结束（代码 {child.returncode}）",
            )
        ) from None
    if error := answer.get("error"):
        raise RevealFailedError(detail=Said(error["en"], error["zh"]))
    return answer


def _asked(child: "subprocess.Popen[bytes]", request: bytes) -> bytes:
    """Return what the process answers. Its input stays open meanwhile: its end says we are gone."""
    with suppress(BrokenPipeError):
        if child.stdin:
            child.stdin.write(request)
            child.stdin.flush()
    return child.stdout.read() if child.stdout else b""
