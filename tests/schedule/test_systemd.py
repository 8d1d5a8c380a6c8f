"""Units that systemd takes as they are, with the paths that were meant."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from archiver.schedule import Plan, systemd_units
from tests.schedule.plans import plan

ODD = 'a b/50% "x" $HOME \\n é店'


def values(unit: str, key: str) -> list[str]:
    lines = (line.partition("=") for line in unit.splitlines() if not line.startswith("#"))
    return [value for name, _, value in lines if name == key]


def verify(units: Mapping[str, str], folder: Path) -> str:
    """What systemd says about units; an empty text if nothing."""
    for name, text in units.items():
        (folder / name).write_text(text, "utf-8")
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing (Debian's package systemd)")
    ran = subprocess.run(
        [analyze, "verify", "--man=no", *(folder / name for name in units)],
        check=False,
        capture_output=True,
        text=True,
    )
    return ran.stderr + ("" if ran.returncode == 0 else f"exit {ran.returncode}")


def on_this_host(folder: Path) -> Plan:
    """A plan with a program that exists, all in an odd folder."""
    place, opt = folder / ODD, folder / "a b" / "50% $HOME é店"
    for made in (place, opt):
        made.mkdir(parents=True)
    program = opt / "archiver"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return plan(config=place / "archiver.toml", program=(program,), store="dir:vault")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = tmp_path / "archiver"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    made = plan(config=tmp_path / "archiver.toml", program=(program,))
    assert verify(systemd_units(made, "en"), tmp_path) == ""


def test_systemd_takes_paths_with_spaces_percents_quotes_and_dollars(tmp_path: Path) -> None:
    made = on_this_host(tmp_path)
    units = systemd_units(made, "zh")
    assert verify(units, tmp_path) == ""
    night = units["archiver-shop-1.service"]
    (command,) = values(night, "ExecStart")
    escaped = 'a b/50%% \\"x\\" {}HOME \\\\n é店'
    program = f'"{tmp_path}/a b/50%% $HOME é店/archiver"'
    assert command.startswith(f"{program} nightly -v --config ")
    assert command.endswith(f'"{tmp_path}/{escaped.format("$$")}/archiver.toml"')
    assert f'"{tmp_path}/{escaped.format("$")}/vault"' in values(night, "ReadWritePaths")


def test_the_night_is_tried_again_after_10_and_never_after_what_people_must_see() -> None:
    units = systemd_units(plan(), "en")
    night = units["archiver-shop-1.service"]
    assert values(night, "Restart") == ["on-failure"]
    assert values(night, "SuccessExitStatus") == ["3"]
    never = values(night, "RestartPreventExitStatus")[0].split()
    assert {"1", "2", "11", "20", "130"} == set(never)
    assert values(units["archiver-shop-1-status.service"], "Restart") == []


def test_timers_mean_the_archives_zone_and_make_up_for_a_host_that_was_off() -> None:
    units = systemd_units(plan(alarms={"sealed_by": "06:00"}), "en")
    night, status = (units[f"archiver-shop-1{name}.timer"] for name in ("", "-status"))
    assert values(night, "OnCalendar") == ["*-*-* 02:15:00 Asia/Shanghai"]
    assert values(status, "OnCalendar") == ["*-*-* 06:10:00 Asia/Shanghai"]
    assert values(night, "Persistent") == values(status, "Persistent") == ["true"]


def test_a_folder_has_no_lock_to_prove_and_a_bucket_is_proven_every_week() -> None:
    assert not [name for name in systemd_units(plan(store="dir:v"), "en") if "prove" in name]
    units = systemd_units(plan(), "en")
    assert values(units["archiver-shop-1-prove-lock.timer"], "OnCalendar")[0].startswith("Mon ")


def test_the_access_logs_head_is_told_every_ten_minutes_to_a_folder_that_can_be_written() -> None:
    made = systemd_units(plan(access={"head_file": "/mnt/elsewhere/heads.jsonl"}), "en")
    service = made["archiver-shop-1-access-head.service"]
    assert " access head --config " in service
    assert 'ReadWritePaths="/mnt/elsewhere"' in service
    assert "OnCalendar=*-*-* *:00/10:00 Asia/Shanghai" in made["archiver-shop-1-access-head.timer"]
    assert not any("access-head" in name for name in systemd_units(plan(), "en"))


def test_the_night_never_gets_the_provers_credentials() -> None:
    made = plan(prover={"access_key_env": "PROVER_ACCESS", "secret_key_env": "PROVER_SECRET"})
    units = systemd_units(made, "en")
    prover = f"-{made.prover_environment}"
    assert prover in values(units["archiver-shop-1-prove-lock.service"], "EnvironmentFile")
    for name in ("archiver-shop-1.service", "archiver-shop-1-status.service"):
        assert prover not in values(units[name], "EnvironmentFile")


@pytest.mark.parametrize("unit", ["", "-status", "-prove-lock"])
def test_every_service_is_in_a_cage(unit: str) -> None:
    service = systemd_units(plan(), "en")[f"archiver-shop-1{unit}.service"]
    for key, value in {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "CapabilityBoundingSet": "",
        "RestrictNamespaces": "yes",
        "User": "archiver",
    }.items():
        assert values(service, key) == [value]
    assert values(service, "SystemCallFilter") == ["@system-service", "~@privileged"]
    assert '"-/etc/archiver/signer.key"' in values(service, "ReadOnlyPaths")


@pytest.mark.parametrize("path", ["/home/shop/archiver.toml", "/root/archiver.toml"])
def test_a_configuration_in_a_home_stays_in_reach(path: str) -> None:
    service = systemd_units(plan(config=Path(path)), "en")["archiver-shop-1.service"]
    assert values(service, "ProtectHome") == ["read-only"]


def test_a_configuration_in_tmp_stays_in_reach() -> None:
    made = plan(config=Path("/tmp/try/archiver.toml"))  # noqa: S108  what people do
    service = systemd_units(made, "en")["archiver-shop-1.service"]
    assert values(service, "PrivateTmp") == ["no"]
