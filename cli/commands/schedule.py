"""`archiver schedule`: units for systemd or lines for cron, with this host's own paths."""

import pwd
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.schedule import Plan

UNITS = Path("/etc/systemd/system")


@click.group("schedule", short_help="Run it every night 每夜自动运行")
def schedule() -> None:
    """Print what makes this host run nights by itself. 打印定时运行所需的配置。"""  # noqa: D415


_user = click.option(
    "--user",
    metavar="NAME",
    help="Who runs it; default: the owner of the configuration. 运行账户，默认为配置文件的所有者。",
)


@command(
    "systemd",
    short="Units with a sandbox 带沙箱的单元文件",
    text=(
        "Print a service and a timer for the night, for the check that it was done, and for the "
        "weekly proof of the lock: absolute paths, a read-only system, retries after exit 10. "
        "Changes nothing on this host unless --output is given.\n\n"
        "打印夜间任务、完成检查与每周锁证明的 service 和 timer：绝对路径、只读系统、"
        "退出码 10 时重试。除非给出 --output，否则不改动本机。"
    ),
    examples=(
        "archiver schedule systemd                                # look first 先查看",
        "archiver schedule systemd --output /etc/systemd/system   # then write 再写入",
        "archiver schedule systemd --user archiver --json",
        "archiver schedule systemd --serve                        # the service 服务单元",
    ),
)
@_user
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the units there. 将单元文件写入该目录。",
)
@click.option(
    "--serve",
    "serves",
    is_flag=True,
    help="The unit of archiver serve instead. 改为 archiver serve 的单元。",
)
def systemd(call: Call, *, user: str | None, output: Path | None, serves: bool) -> Report:
    """Print or write units."""
    from archiver.local_files import write_whole
    from archiver.schedule import serve_unit, systemd_units

    plan = _plan(call, user)
    units = (serve_unit if serves else systemd_units)(plan, call.language)
    folder = output or UNITS
    if output is not None:
        for name, text in units.items():
            write_whole(output / name, text.encode())
            (output / name).chmod(0o644)
    timers = " ".join(name for name in units if serves or name.endswith(".timer"))
    steps = [
        *_preparations(call, plan, secrets_of="root"),
        call.words("schedule.written" if output else "schedule.write", folder=folder),
        call.words("schedule.enable", timers=timers),
        *([] if serves else [call.words("schedule.try", unit=f"{plan.unit}.service")]),
    ]

    def show(_console: "Console") -> None:
        for name, text in units.items():
            click.echo(f"# {folder / name}\n{text}")
        _show_steps(steps)

    fields = {**_fields(plan), "units": units, "folder": str(folder), "steps": steps}
    return Report(fields=fields, show=show)


@command(
    "cron",
    short="Lines for a crontab 用于 crontab 的行",
    text=(
        "Print lines for `crontab -e`, where there is no systemd: in the archive's zone whatever "
        "the host's is, one run at a time, retries after exit 10.\n\n"
        "在没有 systemd 的主机上，打印用于 crontab -e 的行：按档案时区运行，同时只有一个任务，"
        "退出码 10 时重试。"
    ),
    examples=("archiver schedule cron", "archiver schedule cron --lang zh"),
)
@_user
def cron(call: Call, *, user: str | None) -> Report:
    """Print lines for a crontab."""
    from archiver.schedule import crontab

    plan = _plan(call, user)
    text = crontab(plan, call.language)
    steps = [
        *_preparations(call, plan, secrets_of=plan.places.user),
        call.words("schedule.crontab", user=plan.places.user),
    ]

    def show(_console: "Console") -> None:
        click.echo(text)
        _show_steps(steps)

    return Report(fields={**_fields(plan), "crontab": text, "steps": steps}, show=show)


@command(
    "alerts",
    short="Alert rules for Prometheus 告警规则",
    text=(
        "Print rules for Prometheus: a day that is not sealed, a lock that drifts, a witness that "
        "lags, rejected rows, a service that fails or is harvested. They read the metrics of "
        "[alarms] prometheus_textfile and of the service (/v1/metrics).\n\n"
        "打印 Prometheus 告警规则：未封存的日期、锁的变化、见证方滞后、拒收率、"
        "服务故障或遭遍历查询。"
        "数据来自 [alarms] prometheus_textfile 与服务的 /v1/metrics。"
    ),
    examples=("archiver schedule alerts > /etc/prometheus/rules/archiver.yml",),
)
def alerts(call: Call) -> Report:  # noqa: ARG001  what all commands take
    """Print rules."""
    from archiver.schedule import alert_rules

    text = alert_rules()

    def show(_console: "Console") -> None:
        click.echo(text, nl=False)

    return Report(fields={"rules": text}, show=show)


for _command in (systemd, cron, alerts):
    schedule.add_command(_command)


def _plan(call: Call, user: str | None) -> "Plan":
    """Plan for this host: its executable, its user."""
    from archiver.errors import RequestError, Said
    from archiver.schedule import Places, plan_schedule

    installation = call.installation()
    config = call.config.absolute()
    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(config.stat().st_uid)
    except KeyError:
        name = user or str(config.stat().st_uid)
        said = Said(f"this host has no user {name}", f"本机没有用户 {name}")
        raise RequestError(detail=said) from None
    # Not resolved: the interpreter of a virtual environment is a link out of it.
    here = Path(sys.executable).absolute()
    script = here.with_name("archiver")
    program: list[Path | str] = [script] if script.exists() else [here, "-m", "cli"]
    places = Places(program=program, config=config, user=entry.pw_name, home=Path(entry.pw_dir))
    today = installation.clock.now().astimezone(installation.rules.zone).date()
    return plan_schedule(installation.configuration, places, today)


def _preparations(call: Call, plan: "Plan", *, secrets_of: str) -> list[str]:
    """Return what must be there before the first run."""
    import shlex

    steps = []
    if plan.places.user == "root":
        steps.append(call.words("schedule.root"))
    if absent := [path for path in plan.writable if not path.is_dir()]:
        folders = " ".join(shlex.quote(str(path)) for path in absent)
        make = f"install -d -m 700 -o {plan.places.user} {folders}"
        steps.append(call.words("schedule.folders", command=make))
    files = [(plan.environment, plan.secrets)]
    if plan.prover_secrets and plan.proves_lock:
        files.append((plan.prover_environment, plan.prover_secrets))
    for path, names in files:
        if names:
            steps.append(
                call.words("schedule.secrets", path=path, names=", ".join(names), owner=secrets_of)
            )
    return steps


def _fields(plan: "Plan") -> dict[str, object]:
    return {
        "timezone": plan.zone.key,
        "night_at": f"{plan.night_at:%H:%M}",
        "check_at": f"{plan.check_at:%H:%M}",
        "user": plan.places.user,
        "writable": [str(path) for path in plan.writable],
        "secrets": [*plan.secrets],
    }


def _show_steps(steps: list[str]) -> None:
    """Print them as comments: the whole output may be kept in one file."""
    for number, step in enumerate(steps, 1):
        click.echo(f"# {number}. {step}")
