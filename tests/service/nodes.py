"""A node of the service as it runs: a process of its own, on a free port of this machine."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A running `archiver serve`."""

    process: "subprocess.Popen[str]"
    address: str


@contextmanager
def serving(config: Path, password: str = "") -> Iterator[Node]:
    """Start a node and wait until it says where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "serve", "--port", "0", "--config", str(config)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PG_PASSWORD": password, "LANG": "C.UTF-8"},
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.match(r"Serving at (https?://\S+)", line):
            break
    else:
        raise AssertionError("".join(said))
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    try:
        yield Node(process=process, address=found[1])
    finally:
        process.kill()
        process.wait()
        drain.join()
        process.stderr.close()
