"""A code goes to a real mail server, over TLS and logged in, or nobody is told whose it was."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from archiver.configuration import parse_configuration
from archiver.errors import ConfigurationError
from archiver.service.couriers import Courier, CourierError, SmtpCourier, courier_of
from archiver.wiring import Installation
from tests.clock import NOON, FrozenClock
from tests.servers.certificates import Shown, self_signed
from tests.servers.mail import MailServer
from tests.service.test_configured import FIELDS

USER, PASSWORD = "shop@mail.test", "CanaryMailPassword"
TO, CODE = "canary.buyer@qq.com", "40718253"

pytestmark = [pytest.mark.server, pytest.mark.allow_hosts(["127.0.0.1"])]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return self_signed(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def server(shown: Shown) -> Iterator[MailServer]:
    with MailServer(shown=shown, login=(USER, PASSWORD)) as made:
        yield made


def courier_to(server: MailServer, shown: Shown) -> SmtpCourier:
    return SmtpCourier(
        host="127.0.0.1",
        port=server.port,
        tls="implicit" if server.implicit else "starttls",
        sender="shop@example.cn",
        user=USER,
        password=PASSWORD,
        ca=shown.certificate,
        patience=60,
    )


def refusal(courier: SmtpCourier, caplog: pytest.LogCaptureFixture) -> str:
    """Let it fail; return what is said, in which nobody and nothing secret is named."""
    with caplog.at_level(logging.DEBUG), pytest.raises(CourierError) as caught:
        courier.carry(TO, CODE)
    said = caught.value
    told = said.text("en") + said.text("zh") + repr(courier) + caplog.text
    assert not [secret for secret in (TO, CODE, PASSWORD, "canary") if secret in told]
    assert f"127.0.0.1:{courier.port}" in said.text("zh")
    return said.text("en")


@pytest.mark.parametrize("implicit", [False, True])
def test_a_code_arrives_over_tls_and_logged_in(shown: Shown, *, implicit: bool) -> None:
    with MailServer(shown=shown, login=(USER, PASSWORD), implicit=implicit) as server:
        courier_to(server, shown).carry(TO, CODE)
        ((content, secure, user),) = server.taken
    message = message_from_bytes(content, policy=policy.default)
    assert (secure, user) == (True, USER)
    assert (message["To"], message["From"]) == (TO, "shop@example.cn")
    body = message.get_body()
    assert body is not None
    assert CODE in body.get_content()


def test_a_server_that_offers_no_tls_hears_neither_password_nor_code(
    shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    with MailServer() as server:
        assert "offers no STARTTLS" in refusal(courier_to(server, shown), caplog)
        assert set(server.heard) == {"EHLO"}
        implicit = replace(courier_to(server, shown), tls="implicit")
        assert "does not speak TLS" in refusal(implicit, caplog)


def test_a_server_that_is_another_one_hears_neither_password_nor_code(
    server: MailServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = self_signed(tmp_path, "other")
    assert "not trusted" in refusal(courier_to(server, other), caplog)
    assert server.heard == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize(
    ("at", "answer", "said"),
    [
        ("GREETING", "554 go away", "refuses the message (554)"),
        ("GREETING", "", "does not answer"),
        ("EHLO", "", "does not answer"),
        ("STARTTLS", "454 not now", "refuses the message (454)"),
        ("AUTH", "535 canary no", "refuses our log-in"),
        ("MAIL", "451 greylisted", "refuses the message (451)"),
        ("RCPT", f"550 no {TO}", "refuses the recipient"),
        ("DATA", "552 too much canary", "refuses the message (552)"),
        ("DATA", "", "does not answer"),
    ],
)
def test_a_server_that_refuses_or_goes_silent_is_named_with_the_reason(
    server: MailServer,
    shown: Shown,
    caplog: pytest.LogCaptureFixture,
    *,
    at: str,
    answer: str,
    said: str,
) -> None:
    server.answers[at] = answer
    patience = 60 if answer else 0.3
    assert said in refusal(replace(courier_to(server, shown), patience=patience), caplog)
    assert server.taken == []


def test_a_server_that_is_not_there_is_told_from_one_that_refuses(
    server: MailServer, shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    courier = courier_to(server, shown)
    server.__exit__()
    assert "refused" in refusal(courier, caplog).lower()


def test_a_strange_farewell_is_no_failure(server: MailServer, shown: Shown) -> None:
    """It has taken the message: to say that it did not go would have it sent twice."""
    server.answers["QUIT"] = "421 closing"
    courier_to(server, shown).carry(TO, CODE)
    assert len(server.taken) == 1


def test_the_configuration_leads_to_the_server(
    server: MailServer, shown: Shown, tmp_path: Path
) -> None:
    codes = {
        "smtp_host": "127.0.0.1",
        "smtp_port": server.port,
        "sender": "shop@example.cn",
        "smtp_user": USER,
        "smtp_password_env": "MAIL",
        "smtp_ca": str(shown.certificate),
    }

    def courier(**changed: object) -> Courier | None:
        section = {"codes": {**codes, **changed}}
        configured = parse_configuration({**FIELDS, **section})
        environment = {"MAIL": PASSWORD}
        return courier_of(Installation(configured, tmp_path, environment, FrozenClock(NOON)))

    made = courier()
    assert made is not None
    assert made.reaches(TO)
    made.carry(TO, CODE)
    assert len(server.taken) == 1
    (tmp_path / "junk.pem").write_text("junk")
    wrong = ({"smtp_ca": "gone.pem"}, {"smtp_ca": "junk.pem"}, {"smtp_password_env": "NONE"})
    for one in (*wrong, {"smtp_password_env": None}):
        with pytest.raises(ConfigurationError):
            courier(**one)
