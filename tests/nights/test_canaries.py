"""Canaries: secrets planted in all that a shop and a host have, found nowhere but under their keys.

Everything an archive leaves behind is searched byte by byte: objects in the bucket, files of
the host, what commands print, and what other users of the machine see of their processes. Then
all is decrypted, and searched again.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.nights.evidence import BucketVault, Opened, payload
from tests.nights.relay import Relay
from tests.nights.shop import PASSWORD, MariaShop, good_orders
from tests.nights.site import Site, s3_store, source
from tests.servers.mariadb import ADMIN_PASSWORD, READER_PASSWORD
from tests.servers.seaweedfs import SECRET_KEY, S3Bucket
from tests.shops import dujiaoka
from tests.shops.dujiaoka import Order

COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]
GAME_SECRET = "K4narienv0gel"
"""A buyer's game password; it does not contain a word by which it could be recognised."""
CARD = dujiaoka.CARD
PASSPHRASE = "canary passphrase 7c41 of the reveal root"
NEVER_KEPT = (*dujiaoka.CANARIES_NEVER_KEPT, GAME_SECRET)
NEVER_PLAIN = (*NEVER_KEPT, CARD, READER_PASSWORD, ADMIN_PASSWORD, SECRET_KEY, PASSPHRASE)

FORMS = (
    "账号:a\n密码:{}",
    "账号：a\n密码：{}\n大区：微信区",
    "账号:a\r\n密码:{}\r\n大区:QQ区\r\n",
    "账号:a\n密 码 = {}",
    "账号:a\n密　码：{}",
    "账号:a\n密\u200b码：{}",
    "账号:a\n游戏密码: {}",
    "账号:a\n登录口令：{}",
    "账号:a\n二级密碼:{}",
    "账号:a\nPASSWORD: {}",
    "账号:a\nGamePassword:{}",
    "账号:a\ngame_pass:{}",
    "账号:a\nＰａｓｓｗｏｒｄ：{}",
    "账号:a\npwd1:{}",
    "账号:a\nPW：{}",
    "账号:a\nmima:{}",
    "账号:a 密码:{}",
    "账号:a，密码是{}",
    "账号 a 密码 {} 谢谢",
    "账密：a {}",
    "账号密码：a----{}",
    "密码\n{}",
    "密码：\n\n{}\n大区:微信区",
    "【密码】{}",
    "account=a&password={}",
    '{{"账号":"a","密码":"{}"}}',
    "账号:a\n备注:我的密码是{}，请尽快",
    "账号:vcpwdvmn93@163.com\n密码:{}",  # an account, though it holds such a word
)


@dataclass(slots=True)
class Host:
    """A host on which commands run as processes, and all that they have printed."""

    site: Site
    environment: Mapping[str, str]
    printed: list[bytes] = field(default_factory=list)

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[bytes]":
        """Start a command."""
        return subprocess.Popen(
            [*COMMAND, *arguments, "--config", str(self.site.folder / "archiver.toml")],
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ended(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for a command, keep what it printed, return its exit code."""
        self.printed += process.communicate()
        return process.returncode

    def run(self, *arguments: str, **more: str) -> int:
        """Run a command and return its exit code."""
        return self.ended(self.start(*arguments, **more))

    def files(self) -> Iterator[Path]:
        """Yield all files but those whose whole content is a key."""
        for path in self.site.folder.rglob("*"):
            if path.is_file() and path.suffix != ".key":
                yield path


@pytest.fixture
def relay(mariadb_shop: MariaShop) -> Iterator[Relay]:
    """The line to the shop."""
    with Relay(mariadb_shop.database.port) as line:
        yield line


@pytest.fixture
def host(site: Site, mariadb_shop: MariaShop, relay: Relay, bucket: S3Bucket) -> Host:
    """A host with a root under a passphrase and every secret in its environment."""
    url = relay.through(mariadb_shop.database.url)
    site.configure(
        store=s3_store(bucket),
        sources='[keys]\nreveal_root = "passphrase:REVEAL"\n'
        + source(url, more=f"{PASSWORD}timeout_seconds = 60\n"),
    )
    kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return Host(site, {**environment, "SHOP_DB_PASSWORD": READER_PASSWORD, "REVEAL": PASSPHRASE})


def manual(order: Order, form: str) -> Order:
    """Return an order as a manual one with this form."""
    return order._replace(type=dujiaoka.MANUAL, info=form.format(GAME_SECRET), goods_id=6)


def plant(shop: MariaShop, site: Site) -> Sequence[Order]:
    """Fill the shop: nine days' orders, every way to write a password, broken rows."""
    with shop.database.connect() as connection:
        fill = dujiaoka.fill(connection, orders=200, days=9, start=site.days_before(8))
    forms = good_orders(site.days_before(1), len(FORMS), first_id=1001)
    broken = good_orders(site.days_before(2), len(FORMS), first_id=2001)
    goods = good_orders(site.days_before(2), 8, first_id=3001)
    shop.add([manual(order, form) for order, form in zip(forms, FORMS, strict=True)])
    shop.add([manual(order, form) for order, form in zip(broken, FORMS, strict=True)])
    shop.add(goods)
    # Rejects of every kind, among manual orders and among goods; the last forms in old encodings.
    shop.run("ALTER TABLE orders MODIFY info longblob, MODIFY type varchar(9)")
    shop.run("UPDATE orders SET actual_price = '-1.00' WHERE id BETWEEN 2001 AND 2010")
    shop.run("UPDATE orders SET status = 77 WHERE id BETWEEN 2011 AND 2015")
    shop.run("UPDATE orders SET info = CONCAT(info, ?) WHERE id > 2015 AND id < 2022", b"\n\xff")
    shop.run("UPDATE orders SET info = CONCAT(info, ?) WHERE id = 2022", b"\x00")
    shop.run("UPDATE orders SET type = 'x', actual_price = '-1.00' WHERE id = 2023")
    old = f"账号:a\n密码:{GAME_SECRET}\n大区:天空岛".encode("gb18030")
    shop.run("UPDATE orders SET info = ? WHERE id > 2023 AND id < 2028", old)
    shop.run("UPDATE orders SET actual_price = '-1.00' WHERE id BETWEEN 3001 AND 3004")
    return [*fill.orders, *forms, *goods]


def seen_from_outside(command: "subprocess.Popen[bytes]") -> dict[str, bytes]:
    """Return command lines and environments of a running command and of its children."""
    seen = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if command.pid in (parent, int(entry.name)):
                    who = "child" if parent == command.pid else "command"
                    seen[f"{who} {entry.name} cmdline"] = (entry / "cmdline").read_bytes()
                    if who == "child":
                        seen[f"{who} {entry.name} environ"] = (entry / "environ").read_bytes()
            except (OSError, ValueError):
                continue
    return seen


def spellings(secret: str) -> Iterator[bytes]:
    """Yield the ways in which a text could stand in bytes."""
    for raw in (secret.encode(), secret.encode("utf-16-le")):
        yield raw
        yield raw.hex().encode()
        for shift in range(3):  # base64 of a text around it, whatever its position
            inner = base64.b64encode(b"\0" * shift + raw)
            yield inner[4 * bool(shift) : -4]


def assert_absent(secrets: Sequence[str], places: Mapping[str, bytes]) -> None:
    """None of the secrets stands anywhere, in any spelling."""
    found = [
        (secret[:16], place)
        for place, content in places.items()
        for secret in secrets
        if any(spelling in content for spelling in spellings(secret))
    ]
    assert found == []


def test_planted_secrets_are_nowhere_but_under_their_keys(
    host: Host, mariadb_shop: MariaShop, relay: Relay, bucket: S3Bucket
) -> None:
    orders = plant(mariadb_shop, host.site)
    # --- everything that a host does, the good days and the bad ones ---------------------------
    assert host.run("init", "-v") == 0
    assert host.run("source", "check", "-v") in (0, 3)
    assert host.run("source", "check", "--json") in (0, 3)
    assert host.run("nightly", "-v", SHOP_DB_PASSWORD=f"{READER_PASSWORD}-wrong") == 2
    assert host.run("nightly", "--json", SHOP_DB_PASSWORD=f"{READER_PASSWORD}-wrong") == 2
    assert host.run("nightly", "-v", AWS_SECRET_ACCESS_KEY=f"{SECRET_KEY}-wrong") == 2
    mariadb_shop.run("ALTER TABLE orders RENAME COLUMN trade_no TO txn_no")
    assert host.run("nightly", "-v") == 2
    mariadb_shop.run("ALTER TABLE orders RENAME COLUMN txn_no TO trade_no")
    relay.cut_after(60_000)
    assert host.run("nightly", "-v") == 10
    relay.stall_after(60_000)
    running = host.start("nightly", "-v")
    assert relay.stalled.wait(120)
    processes = seen_from_outside(running)
    relay.pass_on()
    assert host.ended(running) == 3  # sealed, with rejects
    mariadb_shop.run("UPDATE orders SET actual_price = '1.00' WHERE id < 2100 AND id > 2000")
    mariadb_shop.run("UPDATE orders SET info = CONCAT(info, 'more') WHERE id BETWEEN 1001 AND 1020")
    assert host.run("nightly", "--json") in (0, 3)
    assert host.run("nightly") == 0
    assert host.run("status", "-v") == 0
    # --- what anybody can see of it ------------------------------------------------------------
    assert any(place.endswith("environ") for place in processes)
    command_lines = {place: text for place, text in processes.items() if "cmdline" in place}
    assert_absent(NEVER_PLAIN, command_lines)
    printed = {f"output {number}": text for number, text in enumerate(host.printed)}
    files = {str(path): path.read_bytes() for path in host.files()}
    vault = BucketVault.of(bucket)
    objects = {
        f"{key} {version}": vault.fetch(key, version)
        for key, version in vault.listed()
        if not key.startswith("proofs/canary/")
    }
    documents = {
        f"{place}, decoded": json.dumps(payload(content), ensure_ascii=False).encode()
        for place, content in {**files, **objects}.items()
        if b'"payloadType"' in content
    }
    assert documents
    everything = {**printed, **files, **objects, **documents}
    assert_absent(NEVER_PLAIN, everything)
    keys = [json.loads(text) for name, text in host.site.secrets.items() if "reveal" not in name]
    private = [key.get("seed") or key["secret"] for key in keys]
    assert len(private) >= 3
    places = {**everything, **processes}
    assert_absent(private, places)
    raw_keys = [bytes.fromhex(key) for key in private]
    assert [place for place, text in places.items() if any(k in text for k in raw_keys)] == []
    # Order numbers, contacts and payment numbers stay on the host in no form but their tokens.
    personal = [value for o in orders[::25] for value in (o.order_sn, o.email) if value]
    assert_absent(personal, {**files, **objects, **documents})


def test_a_reading_process_has_no_secret_in_its_environment(
    host: Host, mariadb_shop: MariaShop, relay: Relay
) -> None:
    mariadb_shop.add(good_orders(host.site.last_closed, 400))
    assert host.run("init") == 0
    relay.stall_after(30_000)

    running = host.start("nightly")
    assert relay.stalled.wait(120)
    processes = seen_from_outside(running)
    relay.pass_on()
    assert host.ended(running) == 0

    assert any(place.endswith("environ") for place in processes)
    assert_absent((READER_PASSWORD, SECRET_KEY, PASSPHRASE), processes)


def test_what_is_never_kept_is_not_there_either_when_everything_is_decrypted(
    site: Site, mariadb_shop: MariaShop, bucket: S3Bucket
) -> None:
    plant(mariadb_shop, site)
    site.configure(store=s3_store(bucket), sources=mariadb_shop.source())
    site.first_night()
    mariadb_shop.run("UPDATE orders SET actual_price = '1.00' WHERE id < 2100 AND id > 2000")
    site.night()

    vault = BucketVault.of(bucket)
    custody = Opened.at(vault, site.folder, reveal=False).rows()
    opened = Opened.at(vault, site.folder)
    orders, rejects = opened.rows(), opened.rows("rejects")

    assert len(rejects) >= 20
    forms = [r for r in orders if r["product"]["kind"] == "manual"]
    assert len(forms) >= len(FORMS)
    places = {f"order {row['order_id']}": repr(row).encode() for row in orders}
    for row in rejects:
        content = [repr(row).encode(), *(v["value"] or b"" for v in row["values"])]
        places[f"reject {row['row_key']!r}"] = b"\n".join(content)
    assert_absent(NEVER_KEPT, places)
    # Card secrets are there, under the reveal key alone.
    sold = [d["secret"] for row in orders for d in row["deliveries"] if d["secret"]]
    assert sum(CARD in secret for secret in sold) > 50
    assert_absent([CARD], {row["order_id"]: repr(row).encode() for row in custody})
    for row in orders:
        row_without = {**row, "deliveries": [{**d, "secret": None} for d in row["deliveries"]]}
        assert_absent([CARD], {row["order_id"]: repr(row_without).encode()})
    # And what may be kept of a form has been kept.
    targets = {row["deliveries"][0]["target"] for row in forms if row["deliveries"]}
    assert targets >= {"a", "vcpwdvmn93@163.com"}
