"""What commands of people share: the desk, passwords and codes that never stand in argv.

On a terminal they are asked for, unseen; on a pipe they are lines of standard input.
"""

import sys
from typing import TYPE_CHECKING

import click

from archiver.errors import Exit, RequestError, Said
from cli.options import Call
from cli.report import Alarm, alarm_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archiver.desk import Desk
    from archiver.judging import Judgement
    from archiver.operators import Session


def desk_of(call: Call) -> "Desk":
    """Return the desk of the configuration."""
    from archiver.desk import Desk

    desk = Desk.at(call.installation())
    call.archive = desk.archive
    return desk


def log_alarms(call: Call, desk: "Desk") -> list[Alarm]:
    """Return what went wrong with the access log's head without stopping the command."""
    return [alarm_of(error, call.language, call.named_config) for error in desk.access_log.alarms]


def log_exit(desk: "Desk") -> Exit:
    """Return 20 where the log here is not the one whose head was told elsewhere, else 0."""
    broken = any(error.exit is Exit.ALARM for error in desk.access_log.alarms)
    return Exit.ALARM if broken else Exit.DONE


def watch_alarms(call: Call, judgements: "Sequence[Judgement]") -> list[Alarm]:
    """Return what the watch found unusual and let pass: compliance hears of it by the webhook.

    Of decoys it heard already (`people.decoy`), and whoever asks must not.
    """
    from archiver.judging import DECOYS

    return [
        Alarm(
            code="watch",
            message=call.words(
                "people.watch", why=one.said.zh if call.language == "zh" else one.said.en
            ),
        )
        for one in judgements
        if one.measure != DECOYS
    ]


def reveal_alarm(call: Call, name: str, access: str) -> Alarm:
    """Return that card secrets were shown: compliance hears of each by the webhook."""
    return Alarm(
        code="revealed",
        message=call.words("people.revealed", name=name, access=access),
        next=call.next("archiver access log"),
    )


def interactive() -> bool:
    """Tell whether a person sits there."""
    return sys.stdin.isatty()


def secret_line(prompt: str, missing: Said) -> str:
    """Return a secret that is typed, or the next line of standard input.

    Raises:
        RequestError: The input has no further line.
    """
    if interactive():
        return str(click.prompt(prompt, hide_input=True, err=True))
    line = _next_line()
    if not line:
        raise RequestError(detail=missing)
    return line.rstrip("\r\n")


def _next_line() -> str:
    """Return the next line of standard input, and not a byte more: cards or decoys may follow."""
    return sys.stdin.buffer.readline().decode(errors="replace")


def password_of(call: Call) -> str:
    """Return a password: asked for, or the first line of standard input."""
    return secret_line(
        call.words("people.password"),
        Said(
            "the password is expected on the first line of standard input",
            "须在标准输入的第一行给出密码",
        ),
    )


def code_of(call: Call) -> str:
    """Return a code: asked for, or the next line of standard input."""
    return secret_line(
        call.words("people.code"),
        Said(
            "the code is expected on the line behind the password, or on the first where none is",
            "须在密码之后的一行给出动态码；不需要密码时为第一行",
        ),
    )


def fresh(call: Call, desk: "Desk", session: "Session", command: str) -> "Session":
    """Return the session of somebody who has just shown that it is he.

    Asks for a code of his phone where a command takes one and the last is older than five minutes.

    Raises:
        CodeNeededError: Standard input has no line for it; that is recorded.
        CodeRefusedError: It is wrong, old or used; that is recorded.
    """
    from archiver.refusals import CodeNeededError

    def code() -> str:
        if interactive():
            return str(click.prompt(call.words("people.fresh"), hide_input=True, err=True))
        line = _next_line()
        if not line:
            raise CodeNeededError(command=command)
        return line.strip()

    return desk.confirmed(command, session, code)


def new_password_of(call: Call, name: str) -> str:
    """Return a new password: asked for twice, or the first line of standard input.

    Raises:
        PasswordRefusedError: It is too easy to guess.
        RequestError: There is none, or the two differ.
    """
    from archiver.operators.passwords import require_sound

    password = password_of(call)
    require_sound(password, name)
    if interactive() and password != click.prompt(
        call.words("people.again"), hide_input=True, err=True
    ):
        raise RequestError(detail=Said("the two passwords differ", "两次输入的密码不同"))
    return password


def session_for(call: Call, command: str) -> "tuple[Desk, Session]":
    """Return the desk and the session of an operator who may use a command.

    Where the command takes a fresh code, it is asked for.

    Raises:
        LoginNeededError: Nobody is logged in.
        NotAllowedError: His role does not use it; that is recorded.
        CodeRefusedError: A fresh code is needed, and is wrong; that is recorded.
    """
    desk = desk_of(call)
    session = desk.require(command)
    return desk, fresh(call, desk, session, command)
