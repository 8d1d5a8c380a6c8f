"""Access logs for tests: on a state file of their own, under a frozen clock."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from archiver.access_log import AccessLog, Asked, Entry, Outcome
from archiver.ports import Clock
from archiver.state import State, open_state
from tests.clock import FrozenClock

ARCHIVE: Final = "0" * 32
QUESTION: Final = Entry(
    command="find",
    outcome=Outcome.ANSWERED,
    operator="alice",
    role="support",
    origin="alice@desk ssh:203.0.113.7",
    purpose="退款核对",
    question=(Asked(kind="order", token="00" * 8),),
    filters={"from": "2026-03-01"},
    objects=("orders/main/2026/03/04/x.parquet",),
    orders=("ab" * 8,),
    count=1,
)


def log_in(
    folder: Path, clock: Clock | None = None, *, node: str = "main", archive: str = ARCHIVE
) -> AccessLog:
    """Return the log in a folder; its head file lies in `elsewhere` beside."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    return AccessLog(
        state=open_state("sqlite:///state.db", folder),
        archive=archive,
        node=node,
        clock=clock or FrozenClock(),
        head_file=elsewhere / "heads.jsonl",
    )


def fill(log: AccessLog, entries: int) -> None:
    """Record some questions that differ."""
    for number in range(entries):
        log.record(replace(QUESTION, count=number))


def sql(state: State, statement: str) -> None:
    """Do what somebody does who has the state file and no right to."""
    with state.engine.connect() as connection:
        connection.exec_driver_sql(statement)
        connection.commit()
