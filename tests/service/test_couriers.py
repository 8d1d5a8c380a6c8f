"""Codes are carried to the contact, and nothing else is told to anybody."""

import json
import sys
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from archiver.service.couriers import (
    CourierError,
    HookCourier,
    SendmailCourier,
    is_email,
)
from archiver.webhook import SIGNATURE, Webhook, signature
from tests.clock import FrozenClock
from tests.servers.receiver import Receiver


def sendmail(folder: Path, end: int = 0) -> Path:
    """Return a program that keeps what it is given."""
    program = folder / "sendmail"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys, pathlib\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "(folder / 'arguments').write_text(' '.join(sys.argv[1:]))\n"
        "(folder / 'message').write_bytes(sys.stdin.buffer.read())\n"
        f"sys.exit({end})\n"
    )
    program.chmod(0o755)
    return program


def test_sendmail_is_given_the_message_on_its_input_and_nothing_as_an_argument(
    tmp_path: Path,
) -> None:
    courier = SendmailCourier(program=str(sendmail(tmp_path)), sender="shop@example.cn")
    courier.carry("buyer@qq.com", "12345678")

    assert (tmp_path / "arguments").read_text() == "-t -i"
    message = message_from_bytes((tmp_path / "message").read_bytes(), policy=policy.default)
    assert (message["To"], message["From"]) == ("buyer@qq.com", "shop@example.cn")
    body = message.get_body()
    assert body is not None
    assert "12345678" in body.get_content()


def test_a_courier_who_fails_says_so_and_names_neither_code_nor_contact(tmp_path: Path) -> None:
    for program in (str(sendmail(tmp_path, end=1)), "/nowhere/sendmail"):
        courier = SendmailCourier(program=program, sender="shop@example.cn")
        with pytest.raises(CourierError) as caught:
            courier.carry("buyer@qq.com", "12345678")
        assert "12345678" not in str(caught.value)
        assert "buyer" not in str(caught.value)


def test_a_webhook_is_given_contact_and_code_signed(receiver: Receiver) -> None:
    clock = FrozenClock(datetime(2026, 3, 5, tzinfo=UTC))
    courier = HookCourier(webhook=Webhook(url=receiver.url, secret=b"s"), clock=clock)
    courier.carry("13800001234", "12345678")

    (got,) = receiver.requests
    told = json.loads(got.body)
    assert (told["kind"], told["to"], told["code"]) == ("buyer-code", "13800001234", "12345678")
    stamp = str(int(clock.now().timestamp()))
    assert got.headers[SIGNATURE] == signature(b"s", stamp, got.body)


@pytest.mark.parametrize(
    ("contact", "sound"),
    [
        ("buyer@qq.com", True),
        ("buyer@qq.com\r\nBcc: all@example.com", False),
        ("a@b.cn, c@d.cn", False),
        ("<a@b.cn>", False),
        ("a@b@c.cn", False),
        ("13800001234", False),
        ("a@localhost", False),
        ("", False),
    ],
)
def test_a_contact_that_would_split_a_header_is_no_address(contact: str, *, sound: bool) -> None:
    assert is_email(contact) is sound
