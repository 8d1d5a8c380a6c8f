"""Lines that cron runs at the archive's hour, tried as cron would: by /bin/sh."""

import subprocess
from pathlib import Path

import pytest

from archiver.schedule import crontab
from tests.schedule.plans import plan

FAKE_DATE = '#!/bin/sh\n[ "$TZ" = Asia/Shanghai ] && echo "$NOW"\n'
PROGRAM = """#!/bin/sh
echo "$@ secret=$SECRET" >> "$RUNS"
[ $(wc -l < "$RUNS") -lt 3 ] && exit $FIRST
exit 0
"""


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line[:1].isdigit()]


def command(line: str) -> str:
    """What cron gives to the shell: five fields cut off, % unescaped."""
    return line.split(maxsplit=5)[5].replace(r"\%", "%")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder with a space, a program in it, and a clock that can be set."""
    folder = tmp_path / "a b"
    (folder / "index").mkdir(parents=True)
    for name, text in (("date", FAKE_DATE), ("sleep", "#!/bin/sh\n"), ("archiver", PROGRAM)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def run(host: Path, line: str, now: str, first: int = 0) -> tuple[int, list[str]]:
    runs = host / "runs"
    runs.unlink(missing_ok=True)
    environment = {"PATH": f"{host}:/usr/bin:/bin", "NOW": now, "RUNS": str(runs)}
    ran = subprocess.run(
        ["/bin/sh", "-c", command(line)],
        env={**environment, "FIRST": str(first)},
        check=False,
        timeout=60,
    )
    return ran.returncode, runs.read_text().splitlines() if runs.exists() else []


def test_a_night_runs_at_its_hour_and_at_no_other(host: Path) -> None:
    made = plan(config=host / "archiver.toml", program=(host / "archiver",))
    night, status, verify, proof = lines(crontab(made, "en"))
    config = f"--config {host / 'archiver.toml'} secret="
    assert run(host, night, "02") == (0, [f"nightly {config}"])
    assert run(host, night, "03")[1] == []
    assert run(host, status, "06") == (0, [f"status {config}"])
    assert run(host, verify, "06") == (0, [f"verify {config}"])
    assert run(host, proof, "106") == (0, [f"prove-lock {config}"])
    assert run(host, proof, "206")[1] == []


@pytest.mark.parametrize(("exit_code", "runs"), [(10, 3), (3, 1), (11, 1), (20, 1), (2, 1)])
def test_only_exit_10_is_tried_again(host: Path, exit_code: int, runs: int) -> None:
    made = plan(config=host / "archiver.toml", program=(host / "archiver",))
    ended, told = run(host, lines(crontab(made, "en"))[0], "02", exit_code)
    assert len(told) == runs
    assert ended == (0 if exit_code == 10 else exit_code)


def test_the_access_logs_head_is_told_every_ten_minutes(host: Path) -> None:
    made = plan(
        config=host / "archiver.toml",
        program=(host / "archiver",),
        access={"head_file": "/mnt/elsewhere/heads.jsonl"},
    )
    text = crontab(made, "en")
    [line] = [line for line in text.splitlines() if line.startswith("*/10 * * * * ")]
    config = f"--config {host / 'archiver.toml'} secret="
    assert run(host, line, "02") == (0, [f"access head {config}"])
    assert "access" not in crontab(plan(), "en")


def test_a_folder_needs_no_proof() -> None:
    assert len(lines(crontab(plan(store="dir:vault"), "zh"))) == 3


def test_no_line_has_a_bare_percent() -> None:
    text = crontab(plan(config=Path("/etc/50%/archiver.toml")), "en")
    assert all(part.endswith("\\") for line in lines(text) for part in line.split("%")[:-1])


def test_an_odd_grace_waits_for_the_next_hour() -> None:
    night = lines(crontab(plan(archive={"grace_hours": 2.5}), "en"))[0]
    assert night.startswith("45 * * * * ")
    assert '" = 03 ]' in night
