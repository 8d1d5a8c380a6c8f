"""A source that is down, slow, dies or refuses: a clear error, and the next run repairs."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.errors import ConfigurationError, Exit
from archiver.nightly import NightReport
from tests.nights.evidence import FolderVault, Opened
from tests.nights.relay import Relay
from tests.nights.shop import PASSWORD, MariaShop, SqliteShop, good_orders
from tests.nights.site import Site, assert_identity, codes, dir_store, shown, source, total
from tests.servers.mariadb import ADMIN_PASSWORD, READER_PASSWORD
from tests.servers.postgres import PostgresDatabase
from tests.servers.shared import free_port

ORDERS = 1_500


@pytest.fixture
def relay(mariadb_shop: MariaShop) -> Iterator[Relay]:
    """The line to the shop."""
    with Relay(mariadb_shop.database.port) as line:
        yield line


@pytest.fixture
def far_shop(site: Site, mariadb_shop: MariaShop, relay: Relay) -> MariaShop:
    """A shop behind the relay, and the archive founded."""
    mariadb_shop.add(good_orders(site.last_closed, ORDERS))
    wait_for(site, mariadb_shop, relay, seconds=60)
    site.init()
    return mariadb_shop


def wait_for(site: Site, shop: MariaShop, relay: Relay, *, seconds: int) -> None:
    """Configure the source with this much patience."""
    more = f"{PASSWORD}page_rows = 200\ntimeout_seconds = {seconds}\n"
    site.configure(store=dir_store(), sources=source(relay.through(shop.database.url), more=more))


def opened(site: Site) -> Opened:
    return Opened.at(FolderVault(site.folder / "vault"), site.folder)


def assert_later(report: NightReport, detail: str) -> None:
    """The night did nothing, says why, and that it can simply be run again."""
    assert (report.exit, codes(report)) == (Exit.TRY_LATER, ["source-unavailable"])
    assert detail in shown(report)
    assert "main" in shown(report)
    assert "archiver nightly" in shown(report)
    assert READER_PASSWORD not in shown(report)
    assert report.days == []


def assert_repaired(site: Site) -> None:
    """The next run seals everything once."""
    assert opened(site).manifests == []
    report = site.night()
    assert (report.exit, total(report)) == (Exit.DONE, {"read": ORDERS, "orders": ORDERS})
    assert_identity(report)
    opened(site).assert_everything_is_named_once()


def readers() -> list[int]:
    """Return the ids of this process's running reading processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except (OSError, IndexError, ValueError):
                continue
            if parent == os.getpid() and b"archiver.sources.reader" in command:
                found.append(int(entry.name))
    return found


def test_every_byte_comes_from_the_address_that_was_configured(
    site: Site, far_shop: MariaShop, relay: Relay
) -> None:
    # Left to itself, the driver finds the server's Unix socket on this machine and goes there.
    assert far_shop

    report = site.night()

    assert total(report) == {"read": ORDERS, "orders": ORDERS}
    assert relay.sent_bytes > ORDERS * 100


def test_a_source_that_is_down_is_tried_again_later(site: Site, mariadb_shop: MariaShop) -> None:
    mariadb_shop.add(good_orders(site.last_closed, ORDERS))
    nobody = source(f"mysql://reader@127.0.0.1:{free_port()}/shop", more=PASSWORD)
    site.configure(store=dir_store(), sources=nobody).init()

    report = site.night()

    assert_later(report, "nobody listens")
    site.configure(store=dir_store(), sources=mariadb_shop.source())
    assert_repaired(site)


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(
    site: Site, far_shop: MariaShop, relay: Relay
) -> None:
    wait_for(site, far_shop, relay, seconds=3)
    relay.stall_after(0)

    report = site.night()

    assert_later(report, "within 3 s")
    assert readers() == []
    relay.pass_on()
    wait_for(site, far_shop, relay, seconds=60)
    assert_repaired(site)


def test_a_source_that_falls_asleep_half_way_is_given_up(
    site: Site, far_shop: MariaShop, relay: Relay
) -> None:
    wait_for(site, far_shop, relay, seconds=3)
    relay.stall_after(150_000)

    report = site.night()

    assert relay.stalled.is_set()
    assert_later(report, "within 3 s")
    assert readers() == []
    relay.pass_on()
    wait_for(site, far_shop, relay, seconds=60)
    assert_repaired(site)


@pytest.mark.parametrize("sent_bytes", [0, 5_000, 150_000])
def test_a_connection_that_breaks_at_any_point_leaves_nothing_half_visible(
    site: Site, far_shop: MariaShop, relay: Relay, sent_bytes: int
) -> None:
    assert far_shop
    relay.cut_after(sent_bytes)

    report = site.night()

    assert_later(report, "")
    relay.pass_on()
    assert_repaired(site)


def test_a_reading_process_that_is_killed_is_an_outage_and_no_bug(
    site: Site, far_shop: MariaShop, relay: Relay
) -> None:
    assert far_shop
    relay.stall_after(150_000)
    victims: list[int] = []

    def kill_it() -> None:
        relay.stalled.wait(60)
        victims.extend(readers())
        for reader in victims:
            os.kill(reader, signal.SIGKILL)

    killer = threading.Thread(target=kill_it)
    killer.start()
    report = site.night()
    killer.join()

    assert len(victims) == 1
    assert_later(report, "ended early")
    relay.pass_on()
    assert_repaired(site)


def test_a_server_that_is_no_database_is_told_without_waiting_for_ever(
    site: Site, mariadb_shop: MariaShop
) -> None:
    assert mariadb_shop
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=greet, daemon=True).start()
        site.configure(
            store=dir_store(),
            sources=source(
                f"mysql://reader@127.0.0.1:{port}/shop", more=f"{PASSWORD}timeout_seconds = 5\n"
            ),
        ).init()

        report = site.night()
        listener.shutdown(socket.SHUT_RDWR)

    assert report.exit in (Exit.TRY_LATER, Exit.FIX_REQUEST)
    assert codes(report) != ["bug"]


# ---------------------------------------------------------------------------------- refusals

WRONG = "canary-wrong-password-<&'\"%40 $x"


def assert_refused(report: NightReport, word: str) -> None:
    """The operator is told what to mend, and reads no password."""
    assert (report.exit, codes(report)) == (Exit.FIX_REQUEST, ["source-access"])
    told = shown(report) + repr(report.failures) + str(report.failures[0].__cause__)
    assert word in told
    assert "archiver source check --source main" in told
    for secret in (WRONG, "canary-wrong", READER_PASSWORD, ADMIN_PASSWORD):
        assert secret not in told


def test_a_wrong_password_is_told_at_once_and_never_echoed(
    site: Site, mariadb_shop: MariaShop, capfd: pytest.CaptureFixture[str]
) -> None:
    mariadb_shop.add(good_orders(site.last_closed, 3))
    site.configure(store=dir_store(), sources=mariadb_shop.source()).init()
    site.environment["SHOP_DB_PASSWORD"] = WRONG

    report = site.night()

    # Not what the driver's pool says, which repeats a refused login for half a minute.
    assert_refused(report, "password is wrong")
    out, err = capfd.readouterr()
    assert WRONG not in out + err
    site.environment["SHOP_DB_PASSWORD"] = READER_PASSWORD
    assert total(site.night()) == {"read": 3, "orders": 3}


def test_a_wrong_postgresql_password_is_told_at_once_and_never_echoed(
    site: Site, postgres_database: PostgresDatabase
) -> None:
    mapping = (
        'name="a"\nversion=1\nkey="id"\norder_id="id"\nquery="SELECT id, s, t FROM o"\n'
        '[status]\ncolumn="s"\ncompleted=["1"]\n[times]\npaid={column="t",zone="UTC"}\n'
        '[completion]\nlatest_of=["paid"]\n'
    )
    more = f'{PASSWORD}mapping = "own.toml"\n'
    site.configure(
        store=dir_store(), sources=source(postgres_database.url, preset="sql", more=more)
    ).init()
    (site.folder / "own.toml").write_text(mapping)
    site.environment["SHOP_DB_PASSWORD"] = WRONG

    report = site.night()

    assert_refused(report, "password is wrong")


def test_missing_rights_and_databases_are_named(site: Site, mariadb_shop: MariaShop) -> None:
    database = mariadb_shop.database
    mariadb_shop.run(f"REVOKE SELECT ON `{database.name}`.* FROM 'reader'@'%'")
    mariadb_shop.run(f"GRANT SELECT ON `{database.name}`.goods TO 'reader'@'%'")
    site.configure(store=dir_store(), sources=mariadb_shop.source()).init()
    assert_refused(site.night(), "may not read")

    elsewhere = database.url.replace(database.name, "no_such_shop")
    site.configure(store=dir_store(), sources=source(elsewhere, more=PASSWORD))
    report = site.night()
    assert (report.exit, codes(report)) == (Exit.FIX_REQUEST, ["source-access"])


def test_a_password_that_is_not_there_names_its_variable(
    site: Site, sqlite_shop: SqliteShop
) -> None:
    site.configure(store=dir_store(), sources=sqlite_shop.source()).init()
    site.configure(
        store=dir_store(),
        sources=sqlite_shop.source('password_env = "NOT_SET"\n'),
    )

    with pytest.raises(ConfigurationError, match="NOT_SET") as caught:
        site.night()

    assert caught.value.exit is Exit.FIX_REQUEST


def test_a_sqlite_file_that_is_missing_or_none_is_named(
    site: Site, sqlite_shop: SqliteShop
) -> None:
    site.configure(store=dir_store(), sources=sqlite_shop.source()).init()
    good = sqlite_shop.path.read_bytes()
    sqlite_shop.path.unlink()
    assert_refused(site.night(), "cannot be opened")
    assert not sqlite_shop.path.exists()
    sqlite_shop.path.write_bytes(b"this is no database" * 1000)
    assert_refused(site.night(), "no SQLite database")
    sqlite_shop.path.write_bytes(good[: len(good) // 2])
    torn = site.night()
    assert torn.exit in (Exit.TRY_LATER, Exit.FIX_REQUEST)
    assert opened(site).manifests == []
    sqlite_shop.path.write_bytes(good)
    assert site.night().exit is Exit.DONE
