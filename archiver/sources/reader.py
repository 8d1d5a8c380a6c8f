"""The reading process: started by `process`, one request, pages as Arrow streams.

A process of its own, because database drivers quote passwords and row values on standard error
and may abort: the parent captures that and shows none of it. It ends when its parent does: its
standard input then ends.

On standard output, for each page: a line of JSON that names the tables, then one Arrow IPC
stream for each. Last a line `{"end": true}`, or `{"error": {"kind", "detail"}}`. Writing waits
for the reader's pipe, so at most one page is read ahead.
"""

import json
import os
import sys
import threading
from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa

from archiver.allocation import return_freed_memory
from archiver.sources import failures
from archiver.sources.engines import open_engine
from archiver.sources.failures import Failure, ReadError
from archiver.sources.paging import Pager, known_shape
from archiver.sources.plan import Request, decoded


def main() -> None:
    """Serve one request."""
    # What drivers print must not come between the frames: their standard output is the error's.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    # The driver reads each page in threads of its own, and each would keep its largest page: a few
    # long texts then hold hundreds of MB.
    return_freed_memory(arenas=1, large_bytes=1 << 20, kept_bytes=0)
    # Rust reads these: the pool's complaints are how a refused login becomes known at once.
    os.putenv("RUST_LOG", "error")
    os.putenv("RUST_BACKTRACE", "0")
    request = decoded(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _serve(request, out)
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more; no farewell is possible
    # A Rust panic arrives as a BaseException.
    except BaseException as error:  # noqa: BLE001
        _line(out, {"error": _told(error)})
    out.close()


def _die_with_parent() -> None:
    # Not by way of `sys.stdin`, whose lock would be held when this process ends by itself.
    while os.read(0, 1024):
        pass
    os._exit(1)


def _serve(request: Request, out: BinaryIO) -> None:
    engine = open_engine(request.url, request.password)
    if request.task == "pages":
        for page in Pager(engine, request.plan).pages():
            _write(out, {"": page.rows, **page.children})
            del page  # before the next one is read
    elif request.task == "days":
        shape = known_shape(engine, request.plan)
        _write(out, {"": engine.fetch(engine.dialect.days(request.plan, shape))[0]})
    else:
        names = engine.shape(request.plan.query, request.plan.columns).names
        _line(out, {"columns": list(names)})
    _line(out, {"end": True})


def _write(out: BinaryIO, tables: dict[str, pa.Table]) -> None:
    _line(out, {"tables": list(tables)})
    _streams(out, tables.values())


def _streams(out: BinaryIO, tables: Iterable[pa.Table]) -> None:
    for table in tables:
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)


def _line(out: BinaryIO, message: dict[str, object]) -> None:
    out.write(json.dumps(message).encode() + b"\n")


def _told(error: BaseException) -> dict[str, str]:
    if isinstance(error, ReadError):
        failure: Failure = error.failure
    else:
        failure = failures.explain(str(error))
    kind = f" ({type(error).__name__})" if failure.kind == "bug" else ""
    return {"kind": failure.kind, "detail": failure.detail + kind}
