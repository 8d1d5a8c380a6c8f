"""Units for systemd 244 and later: night, sight, the checks of both and of the store, lock proof.

The cage follows systemd.exec(5): the whole file system is read-only but for the folders that a
night writes, and nothing of the host's users, devices or kernel is in reach. Retries are for
exit 10 and for a process that was killed; what the rules forbid (11), what a person must look at
(20) and what must be mended first (2) is not tried again.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from archiver.schedule.plan import RETRIES, RETRY_AFTER, SIGHT_EVERY, Plan

_HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  where nothing should be
_WEEKLY: Final = "Mon"

_CAGE: Final = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
UMask=0077
ProtectSystem=strict
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
"""


def systemd_units(plan: Plan, language: str) -> Mapping[str, str]:
    """Return the text of each unit by its file name.

    Args:
        plan: What to schedule.
        language: Of the reports in the journal, `zh` or `en`.
    """
    night, status, proof = plan.unit, f"{plan.unit}-status", f"{plan.unit}-prove-lock"
    sight, every = f"{plan.unit}-sight", int(SIGHT_EVERY.total_seconds()) // 60
    verify = f"{plan.unit}-verify"
    units = {
        f"{night}.service": _service(
            plan, ["nightly", "-v"], "seal finished orders", language, retries=True
        ),
        f"{night}.timer": _timer(plan, "every night", f"*-*-* {plan.night_at:%H:%M}:00"),
        f"{status}.service": _service(plan, ["status"], "is every day sealed?", language),
        f"{status}.timer": _timer(
            plan, "dead-man check of the nights", f"*-*-* {plan.check_at:%H:%M}:00"
        ),
        # What it could not do now, the next one does in some minutes.
        f"{sight}.service": _service(
            plan, ["sight"], "sight what has just ended", language, passes="3 10"
        ),
        f"{sight}.timer": _timer(plan, "sight every few minutes", f"*-*-* *:00/{every}:00"),
    }
    units[f"{verify}.service"] = _service(
        plan, ["verify"], "is the store what was sealed?", language
    )
    units[f"{verify}.timer"] = _timer(
        plan, "another part of the archive each day", f"*-*-* {plan.verify_at:%H:%M}:00"
    )
    if plan.proves_lock:
        # Nights refuse to seal when the last proof is 35 days old.
        units[f"{proof}.service"] = _service(
            plan, ["prove-lock"], "attack the store's lock", language, retries=True, proves=True
        )
        units[f"{proof}.timer"] = _timer(
            plan, "prove the lock every week", f"{_WEEKLY} *-*-* {plan.check_at:%H:%M}:00"
        )
    if plan.tells_head:
        head = f"{plan.unit}-access-head"
        units[f"{head}.service"] = _service(
            plan, ["access", "head"], "tell the access log's head elsewhere", language
        )
        units[f"{head}.timer"] = _timer(plan, "the access log's head", "*-*-* *:00/10:00")
    return units


def serve_unit(plan: Plan, language: str) -> Mapping[str, str]:
    """Return the unit of `archiver serve` by its file name: for the host that looks orders up.

    Arguments as for `systemd_units`.
    """
    places = plan.places
    command = [*map(str, places.program), "serve", "--config", str(places.config)]
    # sudo has to become somebody else; everything else of the cage stays.
    given = ("NoNewPrivileges", "CapabilityBoundingSet", "RestrictSUIDSGID", "SystemCallFilter=~")
    cage = [line for line in _CAGE.splitlines() if not (plan.runner and line.startswith(given))]
    lines = [
        "[Unit]",
        f"Description=archiver {_escaped(plan.archive)}: API and console",
        "Wants=network-online.target",
        "After=network-online.target time-sync.target postgresql.service",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={_command(command)}",
        f"User={places.user}",
        f"WorkingDirectory={_escaped(str(places.config.parent))}",
        f"Environment=ARCHIVER_LANG={language} LANG=C.UTF-8",
        *_secrets(plan, proves=False),
        "# Answers that are under way are finished first.",
        f"TimeoutStopSec={plan.drain_seconds + 15}",
        "# 2: the configuration has to be mended; nobody else starts it again and again.",
        "Restart=always",
        "RestartSec=5",
        "RestartPreventExitStatus=2",
        "LimitCORE=0",
        "LimitNOFILE=4096",
        "",
        *cage,
        *_files(plan),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return {f"{plan.unit}-serve.service": "\n".join(lines) + "\n"}


def _service(
    plan: Plan,
    arguments: Sequence[str],
    about: str,
    language: str,
    *,
    retries: bool = False,
    proves: bool = False,
    passes: str = "3",
) -> str:
    places = plan.places
    command = [*map(str, places.program), *arguments, "--config", str(places.config)]
    lines = [
        "[Unit]",
        f"Description=archiver {_escaped(plan.archive)}: {about}",
        "Wants=network-online.target",
        "After=network-online.target time-sync.target",
    ]
    if retries:
        lines += ["StartLimitIntervalSec=6h", f"StartLimitBurst={RETRIES}"]
    lines += [
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={_command(command)}",
        f"User={places.user}",
        # Raw to the end of the line: quotes would be part of the path.
        f"WorkingDirectory={_escaped(str(places.config.parent))}",
        f"Environment=ARCHIVER_LANG={language} LANG=C.UTF-8",
        *_secrets(plan, proves=proves),
        "TimeoutStartSec=infinity",
        "KillSignal=SIGINT",
        "# 3: sealed, some rows were rejected; the report and the webhook tell.",
        f"SuccessExitStatus={passes}",
    ]
    if retries:
        lines += [
            "# Again after 10 (try later) or when killed; 2, 11 and 20 need people.",
            "Restart=on-failure",
            f"RestartSec={int(RETRY_AFTER.total_seconds() // 60)}min",
            "RestartPreventExitStatus=1 2 11 20 130",
        ]
    lines += ["Nice=10", "", *_CAGE.splitlines(), *_files(plan)]
    return "\n".join(lines) + "\n"


def _secrets(plan: Plan, *, proves: bool) -> Iterator[str]:
    """Yield where secrets come from: read by systemd as root, for this unit alone."""
    yield f"# {', '.join(plan.secrets) or 'no secrets are configured'}; AWS_… if there is no role"
    yield f"EnvironmentFile=-{_escaped(str(plan.environment))}"
    if proves and plan.prover_secrets:
        yield f"# {', '.join(plan.prover_secrets)}: they may delete; nights must not have them"
        yield f"EnvironmentFile=-{_escaped(str(plan.prover_environment))}"
    elif not proves:
        service = f"{plan.unit}.service"
        yield f'# or: password_file = "/run/credentials/{service}/shop.password" and'
        yield "# LoadCredential=shop.password:/etc/archiver/shop.password"


def _files(plan: Plan) -> Iterator[str]:
    used = [*plan.used, plan.places.home]
    at_home = any(path.is_relative_to(home) for path in used for home in _HOMES)
    yield f"ProtectHome={'read-only' if at_home else 'yes'}"
    in_tmp = any(path.is_relative_to(folder) for path in plan.used for folder in _TEMPORARY)
    if in_tmp:
        yield "# Something that is needed lies in /tmp, which this would hide: move it."
    yield f"PrivateTmp={'no' if in_tmp else 'yes'}"
    for path in plan.writable:
        yield f"ReadWritePaths={_quoted(str(path))}"
    for path in plan.elsewhere:
        yield f"ReadWritePaths={_quoted(f'-{path}')}"
    for path in plan.protected:
        yield f"ReadOnlyPaths={_quoted(f'-{path}')}"


def _timer(plan: Plan, about: str, calendar: str) -> str:
    return f"""\
[Unit]
Description=archiver {_escaped(plan.archive)}: {about}

[Timer]
OnCalendar={calendar} {plan.zone.key}
Persistent=true
AccuracySec=1min

[Install]
WantedBy=timers.target
"""


# --- systemd.syntax(7), systemd.service(5) "Command lines" --------------------------------------


def _escaped(text: str) -> str:
    """Return text in which no specifier is expanded."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Return one word of a list."""
    inner = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _command(words: Sequence[str]) -> str:
    """Return a command line; variables are expanded in arguments, not in the program's path."""
    program, *arguments = map(_quoted, words)
    return " ".join([program, *(one.replace("$", "$$") for one in map(_plain, arguments))])


def _plain(quoted: str) -> str:
    """Return a word without its quotes where it needs none: people read this."""
    bare = quoted[1:-1]
    simple = all(letter.isalnum() or letter in "/._-@:=" for letter in bare)
    return bare if bare and simple else quoted
