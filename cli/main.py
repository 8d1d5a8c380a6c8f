"""`archiver`: finds the command, runs it, prints its report, says with which code it ended.

Every way a command can end passes through here, so that `--json` gives one document on stdout
whatever happens, and no traceback or message of a foreign library reaches anybody: it might
quote an order.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, Final

import click

import archiver
from archiver.errors import ArchiverError, Exit
from cli.commands.access import access
from cli.commands.approve import approvals, approve
from cli.commands.backfill import backfill
from cli.commands.decoy import decoy
from cli.commands.demo import demo
from cli.commands.find import find
from cli.commands.init import init
from cli.commands.ledger import ledger
from cli.commands.login import login, logout
from cli.commands.nightly import nightly
from cli.commands.operator import operator
from cli.commands.prove import prove
from cli.commands.prove_lock import prove_lock
from cli.commands.rebuild_index import rebuild_index
from cli.commands.reconcile import reconcile
from cli.commands.report import report
from cli.commands.reveal import reveal
from cli.commands.schedule import schedule
from cli.commands.serve import serve
from cli.commands.show import diagnose, show, why
from cli.commands.sight import sight
from cli.commands.signer import signer
from cli.commands.source import source
from cli.commands.status import status
from cli.commands.token import token
from cli.commands.update_index import update_index
from cli.commands.verify import verify
from cli.options import Call, guess, words_of
from cli.report import Alarm, Report, alarm_of, as_json, document

PROGRAM: Final = "archiver"
_GRAVER: Final = (Exit.FORBIDDEN, Exit.ALARM, Exit.BUG)
"""Than a report that could not be written."""


class Program(click.Group):
    """The group whose `main` turns every end into a report; its help goes the way of a newcomer."""

    parts: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Headings, and the names of the commands below them."""

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the commands part by part, not by the alphabet."""
        widest = max(map(len, self.commands))
        limit = formatter.width - 6 - widest
        shown = {name for names in self.parts.values() for name in names}
        more = {"More 其他": tuple(sorted(set(self.commands) - shown))}
        parts = [*self.parts.items(), *((more.items()) if any(more.values()) else ())]
        for heading, names in parts:
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (f"{name:{widest}}", self.commands[name].get_short_help_str(limit))
                        for name in names
                    ]
                )

    def main(  # type: ignore[override]  # click's overloads promise what this need not
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,  # noqa: ARG002  it is `archiver`, however it was started
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  click's signature
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002
        **extra: object,
    ) -> int:
        """Run a command line.

        Returns:
            The exit code, if not `standalone_mode`; else the process ends with it.
        """
        arguments = list(sys.argv[1:] if args is None else args)
        for stream in (sys.stdout, sys.stderr):
            # A title that the terminal cannot show must not end a night.
            with suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        call = guess(arguments)
        try:
            ended = super().main(
                arguments,
                PROGRAM,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                obj=call,
                **extra,
            )
        except (Exception, click.Abort, KeyboardInterrupt) as error:  # noqa: BLE001  see above
            ended = report_of(error, call)
        except SystemExit:
            raise
        except BaseException as error:  # noqa: BLE001  a panic of a Rust library is one of these
            ended = report_of(error, call)
        if isinstance(ended, Report) and call.installed is not None:
            ended = _announced(ended, call)
        if call.whispers:
            _whisper(call, "keep_whispers")
        code = publish(ended, call) if isinstance(ended, Report) else int(ended or 0)
        if call.whispers:  # behind the answer, which must not be told from others by its time
            _whisper(call, "send_whispers")
        if standalone_mode:
            sys.exit(code)
        return code


@click.group(
    PROGRAM,
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "\b\nExit codes 退出码\n"
        "  0 done 完成 · 1 bug 程序错误 · 2 fix request or configuration 修正请求或配置\n"
        "  3 rows rejected 有行被拒 · 10 try again later 稍后重试 · 11 forbidden 规则禁止\n"
        "  20 alarm 警报 · 130 interrupted 被中断\n\n"
        "\b\nExamples 示例\n"
        "  archiver demo                             a look around, in a folder of its own\n"
        "  archiver init --template > archiver.toml  first step on a real shop\n"
        "  archiver nightly --help"
    ),
)
@click.version_option(archiver.__version__, prog_name=PROGRAM)
def program() -> None:
    """Seal a shop's finished orders under a lock that nobody can lift.

    将商店已完成的订单加密封存于任何人都无法解除的保留锁之下。
    """


_PARTS: Final = {
    "Begin 开始": (demo, init, source, prove_lock, schedule),
    "Seal and check 封存与校验": (
        *(nightly, status, verify, sight, backfill, reconcile, ledger, signer),
    ),
    "Orders 订单": (
        *(find, show, diagnose, why, reveal, prove, report, serve, update_index, rebuild_index),
    ),
    "People 人员": (login, logout, operator, approvals, approve, access, token, decoy),
}
for _heading, _commands in _PARTS.items():
    Program.parts[_heading] = tuple(str(one.name) for one in _commands)
    for _command in _commands:
        program.add_command(_command)


def main() -> None:
    """Run the command line of this process."""
    program()


# --- ends ---------------------------------------------------------------------------------------


def report_of(error: BaseException, call: Call) -> Report:
    """Return the report of a command that ended with an error."""
    if isinstance(error, ArchiverError):
        alarm = alarm_of(error, call.language, call.named_config)
        return Report(exit=error.exit, alarms=[alarm])
    if isinstance(error, click.ClickException):
        return _usage(error, call)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        again = call.next(f"{PROGRAM} {call.command}") if call.command else ""
        alarm = Alarm(code="interrupted", message=call.words("interrupted"), next=again)
        return Report(exit=Exit.INTERRUPTED, alarms=[alarm])
    return _bug(error, call)


def _announced(report: Report, call: Call) -> Report:
    """Tell who is to be told; a mistake of ours in that must not hide the report."""
    from cli.announce import announced

    try:
        return announced(report, call)
    except Exception as error:  # noqa: BLE001  see above
        return replace(report, alarms=[*report.alarms, *_bug(error, call).alarms])


def _whisper(call: Call, step: str) -> None:
    """Tell compliance what whoever called must not see; nothing of it reaches him."""
    from cli import announce

    with suppress(Exception):
        sys.stdout.flush()
        getattr(announce, step)(call)


def _usage(error: click.ClickException, call: Call) -> Report:
    context = error.ctx if isinstance(error, click.UsageError) else None
    help_command = f"{context.command_path if context else PROGRAM} --help"
    if context:
        call.command = words_of(context)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = call.words("no-command")
        if not call.as_json:
            click.echo(error.format_message(), err=True)
            click.echo(err=True)
    else:
        message = call.words("usage", detail=error.format_message())
    alarm = Alarm(code="usage", message=message, next=help_command)
    return Report(exit=Exit.FIX_REQUEST, alarms=[alarm])


def _bug(error: BaseException, call: Call) -> Report:
    """Say where it happened, never what the exception says: that may quote an order."""
    place = "?"
    frame = error.__traceback__
    frames = []
    while frame is not None:
        code = frame.tb_frame.f_code
        frames.append(f"{code.co_filename}:{frame.tb_lineno} {code.co_name}")
        if frame.tb_frame.f_globals.get("__name__", "").split(".")[0] in ("archiver", "cli"):
            place = f"{frame.tb_frame.f_globals['__name__']}:{frame.tb_lineno}"
        frame = frame.tb_next
    if call.verbose:
        for line in frames:
            click.echo(f"  {line}", err=True)
    kind = type(error).__name__
    message = call.words("bug", kind=kind, place=place)
    hint = "" if call.verbose or not call.command else f"{PROGRAM} {call.command} -v"
    return Report(exit=Exit.BUG, alarms=[Alarm(code="bug", message=message, next=call.next(hint))])


# --- printing -----------------------------------------------------------------------------------


def publish(report: Report, call: Call) -> int:
    """Print a report where it belongs and return the exit code of the process."""
    try:
        _print(report, call)
    except BrokenPipeError:
        _discard_output()  # `archiver status | head`: nobody wants the rest
    except OSError as error:
        # The night is done, but its report is lost: a full disk under a log, most likely.
        _discard_output()
        click.echo(call.words("unwritable", detail=error.strerror), err=True)
        return int(report.exit if report.exit in _GRAVER else Exit.TRY_LATER)
    except Exception as error:  # noqa: BLE001  a table's mistake must not quote an order either
        failed = _bug(error, call)
        _print(failed, call)
        return int(failed.exit)
    return int(report.exit)


def _print(report: Report, call: Call) -> None:
    if call.as_json:
        click.echo(as_json(document(report, call.command, call.archive), sys.stdout.encoding))
        return
    from cli.screen import console_on, show_alarms

    report.show(console_on(sys.stdout))
    sys.stdout.flush()
    show_alarms(console_on(sys.stderr), report, call.words)


def _discard_output() -> None:
    """Let what is still to be written go nowhere: the interpreter flushes once more at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
