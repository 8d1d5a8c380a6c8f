"""Carrying a code to a buyer: a webhook of the shop's, sendmail, or an SMTP server.

What carries is configured; whom it goes to is the contact that was archived with the order. The
code and the address are in what is sent and nowhere else: not in logs, errors or arguments.
"""

import json
import smtplib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol

from archiver.errors import ArchiverError, ConfigurationError, Exit, Said
from archiver.ports import Clock
from archiver.webhook import Patience, Webhook, deliver
from archiver.wiring import Installation

SECONDS: Final = 20
_HOOK: Final = Patience(
    attempts=2, give_up_after=timedelta(seconds=10), at_most=timedelta(seconds=SECONDS)
)
SUBJECT: Final = "验证码 / Your code"
TEXT: Final = (
    "验证码 {code}，10 分钟内有效，仅可使用一次。它用于查看您一笔订单的卡密；"
    "如非您本人操作，请忽略并告知商店。\n\n"
    "Your code is {code}; it works once, within 10 minutes. It shows the card secrets of an order "
    "of yours. If you did not ask for it, ignore it and tell the shop.\n"
)


class CourierError(ArchiverError):
    """A code was not taken by whoever carries it."""

    exit = Exit.TRY_LATER
    code = "code-not-sent"
    en = "A code was not sent: {detail}"
    zh = "验证码未能发送：{detail}"


class Courier(Protocol):
    """Somebody who carries codes."""

    def reaches(self, contact: str) -> bool:
        """Tell whether he can go to such a contact."""

    def carry(self, contact: str, code: str) -> None:
        """Take a code to a contact.

        Raises:
            CourierError: He did not.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCourier:
    """Hands it to a server of the shop's, which sends it as it likes; reaches everybody."""

    webhook: Webhook
    clock: Clock

    def reaches(self, contact: str) -> bool:  # noqa: ARG002  see above
        """Tell that it does."""
        return True

    def carry(self, contact: str, code: str) -> None:
        """POST it."""
        body = json.dumps(
            {"format": 1, "kind": "buyer-code", "to": contact, "code": code, "minutes": 10},
            ensure_ascii=False,
        )
        try:
            deliver(self.webhook, [body.encode()], self.clock, _HOOK)
        except ArchiverError as error:
            raise CourierError(detail=error.code) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendmailCourier:
    """Hands it to a program such as sendmail, the recipient in the message only."""

    program: str
    sender: str

    def reaches(self, contact: str) -> bool:
        """Tell whether it is an e-mail address."""
        return is_email(contact)

    def carry(self, contact: str, code: str) -> None:
        """Run it."""
        message = letter(self.sender, contact, code)
        try:
            subprocess.run(  # noqa: S603  the configuration names it, and nothing else is passed
                [self.program, "-t", "-i"],
                input=message.as_bytes(),
                check=True,
                timeout=SECONDS,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CourierError(detail=type(error).__name__) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpCourier:
    """Speaks to a mail server, over TLS."""

    host: str
    port: int
    tls: str
    """`starttls`, `implicit`, or `none` for a server on this host."""
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    """Whom the server's certificate must be of; None: somebody whom this host trusts."""
    patience: float = SECONDS
    """Seconds for one answer; the whole errand takes twice as long at most."""

    def reaches(self, contact: str) -> bool:
        """Tell whether it is an e-mail address."""
        return is_email(contact)

    def carry(self, contact: str, code: str) -> None:
        """Send it; what the server says is not repeated: it may quote whom it was for."""
        message = letter(self.sender, contact, code)
        try:
            context = tls_context(self.ca)
            server = self._connected(context)
            try:
                with self._in_time(server):
                    if self.tls == "starttls":
                        server.starttls(context=context)
                    if self.user is not None and self.password is not None:
                        server.login(self.user, self.password)
                    server.send_message(message)
                    with suppress(OSError, smtplib.SMTPException):
                        server.quit()  # it has the message, whatever it says now
            finally:
                server.close()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise CourierError(detail=self._why(error)) from None

    def _connected(self, context: ssl.SSLContext) -> smtplib.SMTP:
        if self.tls == "implicit":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.patience, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=self.patience)

    @contextmanager
    def _in_time(self, server: smtplib.SMTP) -> Iterator[None]:
        """Break off with a server that answers a byte at a time: others wait for this thread."""
        end = threading.Timer(2 * self.patience, _hang_up, [server])
        end.daemon = True
        end.start()
        try:
            yield
        finally:
            end.cancel()

    def _why(self, error: Exception) -> Said:
        place = f"{self.host}:{self.port}"
        match error:
            case ssl.SSLCertVerificationError():
                en, zh = "its certificate is not trusted (smtp_ca)", "其证书不受信任（smtp_ca）"
            case ssl.SSLError():
                en, zh = "it does not speak TLS (smtp_tls)", "它不使用 TLS（smtp_tls）"
            case smtplib.SMTPNotSupportedError() if self.tls == "starttls":
                en, zh = "it offers no STARTTLS or no log-in", "它不提供 STARTTLS 或登录"
            case smtplib.SMTPAuthenticationError():
                en, zh = "it refuses our log-in (smtp_user)", "它拒绝我方登录（smtp_user）"
            case smtplib.SMTPRecipientsRefused():
                en, zh = "it refuses the recipient", "它拒收该收件人"
            case smtplib.SMTPResponseException(smtp_code=code):
                en, zh = f"it refuses the message ({code})", f"它拒收邮件（{code}）"
            case TimeoutError() | smtplib.SMTPServerDisconnected():
                en, zh = "it does not answer, or hung up", "没有应答或断开了连接"
            case OSError(strerror=str(said)) if not isinstance(error, smtplib.SMTPException):
                en = zh = said
            case _:
                en = zh = type(error).__name__
        return Said(f"{place}: {en}", f"{place}：{zh}")


def _hang_up(server: smtplib.SMTP) -> None:
    with suppress(OSError):
        if server.sock is not None:
            server.sock.shutdown(socket.SHUT_RDWR)


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Return what a client speaks TLS with.

    Raises:
        OSError: `ca` is no file of authorities.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def letter(sender: str, contact: str, code: str) -> EmailMessage:
    """Return the message; a contact with line breaks is refused by the header itself."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = contact
    message["Subject"] = SUBJECT
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(TEXT.format(code=code))
    return message


def is_email(contact: str) -> bool:
    """Tell whether a message can go there: one @, no blanks, nothing that a header would split."""
    local, at, domain = contact.partition("@")
    plain = contact.isprintable() and not any(c.isspace() or c in ",;<>()\"'\\" for c in contact)
    return bool(plain and local and at and "." in domain and "@" not in domain)


def courier_of(installation: Installation) -> Courier | None:
    """Return who carries codes; None where nobody is configured.

    Raises:
        ConfigurationError: The environment lacks a variable that `[codes]` names, or smtp_ca is no
            file of authorities.
    """
    section, clock = installation.configuration.codes, installation.clock

    def value(name: str | None) -> str | None:
        return installation.variable("codes", name)

    url = section.webhook_url or value(section.webhook_url_env)
    if url:
        secret = value(section.webhook_secret_env)
        return HookCourier(
            webhook=Webhook(url=url, secret=secret.encode() if secret else None), clock=clock
        )
    if section.sendmail:
        return SendmailCourier(program=section.sendmail, sender=section.sender or "")
    if section.smtp_host:
        ca = installation.folder / section.smtp_ca if section.smtp_ca else None
        try:
            tls_context(ca)
        except OSError as error:
            said, place = error.strerror or type(error).__name__, f"[codes] smtp_ca = {ca}"
            detail = Said(f"{place}: {said}", f"{place}：{said}")
            raise ConfigurationError(detail=detail) from None
        return SmtpCourier(
            host=section.smtp_host,
            port=section.smtp_port,
            tls=section.smtp_tls,
            sender=section.sender or "",
            user=section.smtp_user,
            password=value(section.smtp_password_env),
            ca=ca,
        )
    return None
