"""Nights tell witnesses and authorities the ledger's head, and say who holds it."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

from archiver import layout
from archiver.ledger import origin
from archiver.signed_note import VerifierKey
from archiver.stores.directory import DirectoryStore
from archiver.wiring import Installation
from archiver.witnesses.file import line
from tests.cli.conftest import Terminal, last_closed_day
from tests.cli.test_sight import sell
from tests.clock import FrozenClock
from tests.servers.authority import TimeAuthority
from tests.servers.receiver import Receiver
from tests.servers.witness import WitnessServer
from tests.witnesses.logs import SmallLog

SECTIONS = """
[[witness]]
name = "share"
url = "file:share/heads"
[[witness]]
name = "vault"
url = "dir:other"
[[witness]]
name = "notary"
url = "{witness}"
keys = ["{key}"]
[[timestamp]]
name = "tsa"
url = "{authority}"
ca = "authority/ca.pem"
[[source]]"""
NIGHTS = 3
"""A night of the shop ends with: some rows were rejected."""


def test_who_holds_which_checkpoint_is_told_by_the_night_and_by_status(
    terminal: Terminal, witness_server: WitnessServer, time_authority: TimeAuthority
) -> None:
    sections = SECTIONS.format(
        witness=witness_server.url, key=witness_server.verifier, authority=time_authority.url
    )
    terminal.configure(("[[source]]", sections))
    assert terminal.archiver("init").exit == 0
    terminal.shop(orders=6, days=2)

    # The share is not there, and the notary does not know this log: nothing waits for them.
    night = terminal.json("nightly")
    assert night.exit == NIGHTS
    share, vault, notary = night.document["witnesses"]
    (tsa,) = night.document["timestamps"]
    size = vault["checkpoint"]
    assert size >= 2
    assert (share["checkpoint"], notary["checkpoint"]) == (None, None)
    assert "share" in share["reason"]
    assert share["behind_since"] is not None
    assert (tsa["checkpoint"], tsa["waiting"], tsa["reason"]) == (size, 0, None)
    assert "Canary" not in night.out

    # What the reason says is what the notary has to be given.
    (key,) = re.findall(r"order-archive/\S+", notary["reason"])
    witness_server.logs.append(VerifierKey.parse(key))
    (terminal.folder / "share").mkdir()
    told = terminal.archiver("nightly", lang="zh_CN.UTF-8")
    assert told.exit == 0
    assert "share、vault、notary、tsa" in told.out.replace(", ", "、")

    status = terminal.json("status")
    assert status.exit == 0
    held = [one["checkpoint"] for one in status.document["witnesses"]]
    held += [one["checkpoint"] for one in status.document["timestamps"]]
    assert held == [status.document["ledger"]["size"]] * 4
    assert status.document["ledger"]["keys"] == [key]
    shown = terminal.archiver("status").out
    assert all(name in shown for name in ("share", "vault", "notary", "tsa"))

    store = DirectoryStore(terminal.folder / "vault", FrozenClock())
    token = store.get(layout.timestamp_key(held[0], "tsa"))
    assert time_authority.holds(token, store.get(layout.checkpoint_key(held[0])))
    assert store.get(layout.cosignature_key(held[0], "notary")).startswith("— witness".encode())


def test_everything_set_back_this_host_included_is_found_out_by_the_next_night(
    terminal: Terminal,
) -> None:
    share = '[[witness]]\nname = "share"\nurl = "file:share/heads"\n[[source]]'
    terminal.configure(("[[source]]", share))
    (terminal.folder / "share").mkdir()
    assert terminal.archiver("init").exit == 0
    terminal.shop(orders=6, days=2)
    before = last_closed_day() - timedelta(days=1)
    terminal.archiver("nightly", "--as-of", str(before))
    kept = [terminal.folder / name for name in ("vault", "index")]
    for folder in kept:
        shutil.copytree(folder, folder.with_name(f"{folder.name}-kept"))
    assert terminal.json("nightly").exit in (0, NIGHTS)
    for folder in kept:
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}-kept").rename(folder)

    night = terminal.json("nightly", "--as-of", str(before))  # nothing is new
    assert night.exit == 20
    assert night.codes == ["witness-ahead"]
    later = terminal.json("nightly")  # as many entries as the witness knows, and others
    assert later.exit == 20
    assert "split-view" in later.codes
    status = terminal.json("status")
    assert status.exit == 20
    assert "split-view" in status.codes


def test_a_mistake_in_a_witness_keeps_no_day_open(terminal: Terminal) -> None:
    section = '[[timestamp]]\nname = "tsa"\nurl = "http://127.0.0.1:1"\nca = "no.pem"\n[[source]]'
    terminal.configure(("[[source]]", section))
    assert terminal.archiver("init").exit == 0
    terminal.shop(orders=6, days=2)
    night = terminal.json("nightly")
    assert "configuration" in night.codes
    assert str(Path("no.pem")) in night.out
    assert [day["manifest"] for day in night.document["days"]] == [1, 2]
    status = terminal.json("status")
    assert "configuration" in status.codes
    assert status.document["days_missing"] == {"main": []}


def test_a_look_that_meets_another_history_is_heard_of_at_once(
    terminal: Terminal, receiver: Receiver
) -> None:
    sections = '[[witness]]\nname = "share"\nurl = "file:heads"\n[[source]]'
    told = f'[alarms]\nwebhook_url = "{receiver.url}"\n[store]'
    terminal.configure(("[[source]]", sections), ("[store]", told))
    assert terminal.archiver("init").exit == 0
    terminal.shop(days=2)
    sell(terminal, "SN-2026-0000-7001")
    archive = Installation.load(terminal.config).archive(to_seal=True)
    other = SmallLog(key=archive.night_keys().signer, origin=origin(archive.id)).grow(99)
    (terminal.folder / "heads").write_bytes(line(other.head, archive.clock.now()))

    looked = terminal.json("sight")

    assert looked.document["sources"][0]["sighted"] == 1, looked.out
    assert (looked.exit, looked.codes) == (20, ["witness-ahead"])
    assert looked.document["witnesses"][0]["reason"].startswith("Witness share knows a checkpoint")
    (heard,) = receiver.requests
    assert json.loads(heard.body)["alarms"] == looked.document["alarms"]
