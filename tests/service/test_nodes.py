"""Two nodes over one PostgreSQL, real processes both; one is killed while it answers."""

import signal
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pyotp

from archiver.access_log.verify import verify_access_log
from archiver.configuration import parse_configuration
from archiver.desk import Desk
from archiver.policy import Role
from archiver.stores.directory import DirectoryStore
from archiver.wiring import Installation
from tests.clock import FrozenClock
from tests.desk import at, founded
from tests.lookup.bazaar import MAPPING
from tests.operators.people import PASSWORD
from tests.servers.postgres import PostgresDatabase
from tests.service.nodes import serving
from tests.service.world import CONFIGURATION, shop_rows

NODES = ("one", "two")
ASKED = 120
KILLED_AFTER = 30
CLIENTS = 6
SAME = 5
APART = 4
"""Few different orders, and none beside another: anything else would be harvesting."""


def configured(folder: Path, node: str, database: PostgresDatabase) -> Path:
    """Write a node's configuration."""
    url = f"postgresql://{database.admin}@{database.host}:{database.port}/{database.name}"
    text = CONFIGURATION + (
        f'[state]\nurl = "{url}"\npassword_env = "PG_PASSWORD"\n'
        f'[access]\nnode = "{node}"\n[index]\npath = "index-{node}"\n'
        "[service]\nrequests_per_minute = 100_000\n"
    )
    config = folder / f"{node}.toml"
    config.write_text(text, "utf-8")
    return config


def test_one_of_two_nodes_is_killed_under_load_and_no_access_record_is_lost(
    postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    clock = FrozenClock(at(2, 0))
    rows = shop_rows(20)
    store = DirectoryStore(tmp_path / "vault", clock)
    desk = founded(tmp_path, rows, mapping=MAPPING, clock=clock, store=store)
    for day in (2, 3):
        assert desk.night_of(day).failures == []
    configs = [configured(tmp_path, node, postgres_database) for node in NODES]
    installation = Installation(
        parse_configuration(tomllib.loads(configs[0].read_text("utf-8"))),
        tmp_path,
        {"PG_PASSWORD": postgres_database.admin_password},
        clock,
    )
    counter = Desk.at(installation)
    counter.owners_register().add("root", Role.ADMINISTRATOR, PASSWORD, by=None)
    sue = counter.register.add("sue", Role.SUPPORT, PASSWORD, by="root")

    with (
        serving(configs[0], postgres_database.admin_password) as one,
        serving(configs[1], postgres_database.admin_password) as two,
    ):
        code = pyotp.TOTP(sue.secret).at(time.time())
        begun = httpx.post(
            f"{one.address}/v1/session", json={"name": "sue", "password": PASSWORD, "code": code}
        )
        assert begun.status_code == 201, begun.text
        headers = {
            "cookie": begun.headers["set-cookie"].partition(";")[0],
            "x-csrf-token": begun.json()["csrf"],
        }
        answered: list[str] = []
        broken: list[int] = []
        lock = threading.Lock()

        def ask(number: int) -> None:
            node = (one, two)[number % 2]
            body = {"order": rows[number % SAME * APART]["no"], "purpose": "售后"}
            url = f"{node.address}/v1/orders/find"
            try:
                answer = httpx.post(url, json=body, headers=headers, timeout=60)
            except httpx.TransportError:
                assert node is two, "the node that lives broke off"
                with lock:
                    broken.append(number)
                return
            assert answer.status_code == 200, answer.text
            assert answer.json()["orders"][0]["order_id"] == body["order"]
            with lock:
                answered.append(answer.json()["access"])
                if len(answered) == KILLED_AFTER:
                    two.process.send_signal(signal.SIGKILL)

        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(ask, range(ASKED)))

        assert len(answered) + len(broken) == ASKED
        assert broken
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(60) == 0

    log = counter.access_log
    there = {f"{one.node}/{one.number}": one.entry.command for one in log.entries(limit=10_000)}
    assert {there.get(name) for name in answered} == {"find"}
    assert len(set(answered)) == len(answered)
    found = verify_access_log(log, None)
    assert found.findings == []
    assert set(found.entries) == set(NODES)
    installation.state.close()
