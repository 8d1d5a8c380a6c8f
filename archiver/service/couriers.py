"""Carrying a code to a buyer: a webhook of the shop's, sendmail, or an SMTP server.

What carries is configured; whom it goes to is the contact that was archived with the order. The
code and the address are in what is sent and nowhere else: not in logs, errors or arguments.
"""

import json
import smtplib
import ssl
import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from typing import Final, Protocol

from archiver.errors import ArchiverError, Exit
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

    def reaches(self, contact: str) -> bool:
        """Tell whether it is an e-mail address."""
        return is_email(contact)

    def carry(self, contact: str, code: str) -> None:
        """Send it."""
        try:
            with self._connected() as server:
                if self.user is not None and self.password is not None:
                    server.login(self.user, self.password)
                server.send_message(letter(self.sender, contact, code))
        except (OSError, smtplib.SMTPException) as error:
            raise CourierError(detail=type(error).__name__) from None

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.tls == "implicit":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        if self.tls == "starttls":
            server.starttls(context=context)
        return server


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
        ConfigurationError: The environment lacks a variable that `[codes]` names.
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
        return SmtpCourier(
            host=section.smtp_host,
            port=section.smtp_port,
            tls=section.smtp_tls,
            sender=section.sender or "",
            user=section.smtp_user,
            password=value(section.smtp_password_env),
        )
    return None
