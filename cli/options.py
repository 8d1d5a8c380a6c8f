"""What every command takes, and the command class that shows examples in its help.

Imports click only: help must appear at once.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec

import click

from cli.report import Report, with_config

if TYPE_CHECKING:
    from archiver.metrics import Survey
    from archiver.wiring import Installation
    from cli.report import Alarm
    from cli.texts import Words

P = ParamSpec("P")

DEFAULT_CONFIG: Final = "archiver.toml"
LANGUAGE_VARIABLES: Final = ("ARCHIVER_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""In the order in which POSIX looks at them."""


@dataclass(slots=True)
class Call:
    """One call of the program: what was asked for and what is known by now."""

    config: Path = Path(DEFAULT_CONFIG)
    named_config: str | None = None
    """The file, if it was named on the command line: the next command needs it, too."""
    as_json: bool = False
    language: str = "en"
    verbose: bool = False
    command: str | None = None
    archive: str | None = None
    """The archive's id, as soon as it is known."""
    installed: "Installation | None" = None
    """The configuration, as soon as it is read."""
    survey: "Survey | None" = None
    """What the command has seen of the archive, for metrics."""
    whispers: "list[Alarm]" = field(default_factory=list)
    """Alarms for the webhook alone: whoever calls must not learn of them."""
    started: float = field(default_factory=monotonic)
    _words: "Words | None" = field(default=None, repr=False)

    @property
    def words(self) -> "Words":
        """Texts in the reader's language."""
        from cli.texts import Words

        if self._words is None or self._words.language != self.language:
            self._words = Words(self.language)
        return self._words

    def next(self, command: str) -> str:
        """Return one of our commands so that it works on the same archive."""
        return with_config(command, self.named_config)

    def installation(self) -> "Installation":
        """Return what the configuration file leads to."""
        from archiver.wiring import Installation

        self.installed = Installation.load(self.config)
        return self.installed


class Language(click.Choice[str]):
    """`zh` or `en`; from the environment also a locale such as `zh_CN.UTF-8`."""

    def __init__(self) -> None:
        super().__init__(["zh", "en"])

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the language that a word or a locale stands for."""
        if ctx and param and param.name:
            source = ctx.get_parameter_source(param.name)
            if source is click.core.ParameterSource.ENVIRONMENT:
                return language_of(str(value))
        return super().convert(str(value), param, ctx)


def language_of(locale: str | None) -> str:
    """Return `zh` for a Chinese locale and `en` for any other."""
    return "zh" if locale and locale.lower().startswith("zh") else "en"


def _remember(name: str) -> Callable[[click.Context, click.Parameter, object], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: object) -> None:
        call = ctx.ensure_object(Call)
        if param.name == "config":
            on_command_line = click.core.ParameterSource.COMMANDLINE
            if ctx.get_parameter_source("config") is on_command_line:
                call.named_config = str(value)
        setattr(call, name, value)

    return callback


def shared_options() -> list[click.Option]:
    """Return the options of every command."""
    return [
        click.Option(
            ["--config"],
            type=click.Path(dir_okay=False, path_type=Path),
            default=DEFAULT_CONFIG,
            show_default=True,
            envvar="ARCHIVER_CONFIG",
            metavar="FILE",
            help="Configuration. 配置文件。",
            expose_value=False,
            callback=_remember("config"),
        ),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            help="One JSON document on stdout. 在标准输出上给出一个 JSON 文档。",
            expose_value=False,
            callback=_remember("as_json"),
        ),
        click.Option(
            ["--lang"],
            type=Language(),
            envvar=LANGUAGE_VARIABLES,
            default="en",
            help="Language of messages; default: LANG. 消息语言，默认取自 LANG。",
            expose_value=False,
            callback=_remember("language"),
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            help="Show the log and, of a bug, where it is. 显示日志，出错时显示代码位置。",
            expose_value=False,
            callback=_remember("verbose"),
        ),
    ]


class Command(click.Command):
    """A command whose help ends with examples."""

    examples: Sequence[str] = ()

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the examples as they are: they are there to be copied."""
        with formatter.section("Examples 示例"):
            for example in self.examples:
                formatter.write(f"{' ' * formatter.current_indent}{example}\n")


def command(
    name: str, *, short: str, text: str, examples: Sequence[str]
) -> Callable[[Callable[Concatenate[Call, P], Report]], Command]:
    """Make a command out of a function from a call and its options to a report.

    Args:
        name: The command's word.
        short: One line for the list of commands.
        text: What it does; like all help in both languages.
        examples: Whole command lines.
    """

    def decorate(function: Callable[Concatenate[Call, P], Report]) -> Command:
        @functools.wraps(function)
        def run(*args: P.args, **options: P.kwargs) -> Report:
            from cli.logs import show_log

            ctx = click.get_current_context()
            call = ctx.ensure_object(Call)
            call.command = words_of(ctx)
            show_log(shown=call.verbose)
            return function(call, *args, **options)

        made = click.command(name, cls=Command, help=text, short_help=short)(run)
        made.params += shared_options()
        made.examples = examples
        return made

    return decorate


def words_of(ctx: click.Context) -> str | None:
    """Return the command's words without the program's name, None for the program itself."""
    return ctx.command_path.partition(" ")[2] or None


def guess(arguments: Sequence[str]) -> Call:
    """Return what can be told of a call before it is parsed, for errors in the parsing."""
    call = Call(as_json="--json" in arguments)
    option = next(o for o in shared_options() if o.name == "lang")
    context = click.Context(click.Command("archiver"))
    told = option.resolve_envvar_value(context)
    for place, argument in enumerate(arguments):
        if argument == "--lang" and place + 1 < len(arguments):
            told = arguments[place + 1]
        elif argument.startswith("--lang="):
            told = argument.removeprefix("--lang=")
    call.language = language_of(told)
    return call
