"""`archiver reconcile` as people and scripts meet it."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal, last_closed_day
from tests.statements import bills
from tests.statements.bills import PID, SHANGHAI, Paid


@pytest.fixture
def sealed(founded: Terminal) -> Terminal:
    """A terminal on an archive whose last two days but one can be reconciled."""
    founded.shop()
    founded.archiver("nightly")
    return founded


def statement(terminal: Terminal, *extra: Paid, leave_out: int = 0) -> Path:
    """Write the bill of the day before the last sealed one, in GBK."""
    day = last_closed_day() - timedelta(days=1)
    archived = terminal.json("source", "check", "--rows", "1000").document["sources"][0]["orders"]
    start = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    rows = [
        Paid(
            number=bills.alipay_no(n),
            order=order["order_id"],
            amount=order["money"]["paid"],
            at=start + timedelta(hours=12),
        )
        for n, order in enumerate(archived)
        if order["completed_at"][:10] == str(day) and Decimal(order["money"]["paid"]) > 0
    ]
    text = bills.alipay_business(
        [*rows[leave_out:], *extra], days=(str(day), str(day + timedelta(days=1)))
    )
    path = terminal.folder / "bill.csv"
    path.write_bytes(text.encode("gbk"))
    return path


def lost() -> Paid:
    day = last_closed_day() - timedelta(days=1)
    at = datetime(day.year, day.month, day.day, 13, tzinfo=SHANGHAI)
    return Paid(number=bills.alipay_no(999_999), order="LOST-1", amount="648.00", at=at)


def test_a_loss_is_an_alarm_with_what_to_do_next(sealed: Terminal) -> None:
    path = statement(sealed, lost())
    ran = sealed.json("reconcile", "--statement", str(path), "--account", PID)
    assert ran.exit == 20
    document: dict[str, Any] = ran.document
    assert "payment-without-order" in ran.codes
    assert document["verdict"] == "differences"
    assert document["number"] == 1
    assert document["statement"]["account_checked"] is True
    assert document["statement"]["encoding"] == "gb18030"
    first = document["differences"][0]
    assert (first["statement_amount"], first["payment_no"]) == ("648.00", "•••9999")
    assert lost().number not in ran.out
    again = f"archiver reconcile --statement {path} --account {PID} --output differences.csv"
    assert document["alarms"][0]["next"].startswith(again)
    assert (sealed.folder / "vault" / "reconciliations" / "00000001.json").exists()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_people_get_days_differences_and_a_verdict(sealed: Terminal, lang: str) -> None:
    path = statement(sealed, lost())
    output = sealed.folder / "differences.csv"
    ran = sealed.archiver(
        *("reconcile", "--statement", str(path), "--output", str(output), "--lang", lang)
    )
    assert ran.exit == 20
    assert ("有支付无订单" if lang == "zh" else "payment, no order") in ran.out
    assert "648.00" in ran.out
    assert "reconciliations/00000001.json" in ran.out
    assert ("未核对账户" if lang == "zh" else "not checked") in ran.out
    assert lost().number not in ran.out + ran.err
    assert lost().number in output.read_text("utf-8-sig")
    again = sealed.json("reconcile", "--statement", str(path), "--output", str(output))
    assert (again.exit, again.codes) == (2, ["request"])


def test_a_statement_that_agrees_ends_with_0(sealed: Terminal) -> None:
    ran = sealed.json("reconcile", "--statement", str(statement(sealed)), "--method", "none")
    assert (ran.exit, ran.document["verdict"]) == (0, "match")
    assert ran.document["differences"] == ran.document["alarms"] == []
    shown = sealed.archiver("reconcile", "--statement", str(statement(sealed)), "--method", "none")
    assert "✓" in shown.out


def test_the_last_sealed_day_is_pending(sealed: Terminal) -> None:
    day = last_closed_day()
    at = datetime(day.year, day.month, day.day, 13, tzinfo=SHANGHAI)
    text = bills.alipay_business(
        [Paid(number=bills.alipay_no(1), order="NEW-1", at=at)],
        days=(str(day), str(day + timedelta(days=1))),
    )
    path = sealed.folder / "bill.csv"
    path.write_text(text, "utf-8")
    ran = sealed.json("reconcile", "--statement", str(path), "--method", "none")
    assert (ran.exit, ran.codes) == (10, ["pending"])
    assert ran.document["alarms"][0]["next"].startswith("archiver nightly")


def test_what_cannot_be_compared_ends_with_2(sealed: Terminal) -> None:
    path = sealed.folder / "bill.csv"
    ran = sealed.json("reconcile", "--statement", str(path))
    assert (ran.exit, ran.codes) == (2, ["request"])
    for content, options, code in (
        ("a,b\n1,2\n", (), "statement"),
        (bills.alipay_business([]), ("--account", "2088000000000000"), "statement-account"),
        ("", (), "statement"),
        ("x", ("--mapping", "none.toml"), "configuration"),
        (bills.alipay_business([]), ("--source", "other"), "request"),
    ):
        path.write_text(content, "utf-8")
        ran = sealed.json("reconcile", "--statement", str(path), *options)
        assert (ran.exit, ran.codes) == (2, [code])
    assert not (sealed.folder / "vault" / "reconciliations").exists()


def test_the_configured_account_is_compared(sealed: Terminal) -> None:
    path = statement(sealed)
    text = sealed.config.read_text("utf-8")
    sealed.config.write_text(f'{text}\n[reconcile]\naccounts = ["1900000109"]\n', "utf-8")
    assert sealed.json("reconcile", "--statement", str(path)).codes == ["statement-account"]


def test_a_csv_is_compared_by_a_mapping(sealed: Terminal) -> None:
    mapping = sealed.folder / "bank.toml"
    mapping.write_text(bills.MAPPING, "utf-8")
    path = sealed.folder / "bank.csv"
    path.write_text(bills.bank([lost()]), "utf-8-sig")
    ran = sealed.json("reconcile", "--statement", str(path), "--mapping", str(mapping))
    assert (ran.exit, ran.codes) == (20, ["payment-without-order"])
    assert json.dumps(ran.document["statement"]["format"]) == '"mapped"'
    mapping.write_text(bills.MAPPING.replace('methods = ["转账"]', ""), "utf-8")
    rows = [lost(), lost(), replace(lost(), number="F-1", state="手续费")]
    path.write_text(bills.bank(rows), "utf-8")
    shown = sealed.archiver("reconcile", "--statement", str(path), "--mapping", str(mapping)).out
    for note in ("no totals", "--method", "1 repeated", "1 rows are neither"):
        assert note in shown
    mapping.write_bytes(b"\xff")
    ran = sealed.json("reconcile", "--statement", str(path), "--mapping", str(mapping))
    assert ran.codes == ["configuration"]


def test_without_the_base_root_nothing_is_compared(sealed: Terminal) -> None:
    (sealed.folder / "root.key").rename(sealed.folder / "root.key.away")
    ran = sealed.json("reconcile", "--statement", str(statement(sealed)))
    assert (ran.exit, ran.codes) == (2, ["key-unavailable"])
