"""An installed `archiver` works outside the checkout, with everything it ships."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked into a folder as pip does it; its dependencies are this run's."""
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--disable-pip-version-check", "--target", target, CHECKOUT),
        ],
        check=True,
    )
    return target


def test_the_installed_command_founds_an_archive_and_seals(installed: Path, tmp_path: Path) -> None:
    def archiver(*arguments: str) -> str:
        return subprocess.run(
            [installed / "bin" / "archiver", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(installed), "LANG": "C.UTF-8"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    where = (
        "import archiver, cli, schemas; print(archiver.__file__, cli.__file__, schemas.__file__)"
    )
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert all(Path(path).is_relative_to(installed) for path in found)
    assert "[[source]]" in archiver("init", "--template")
    # The presets, the demonstration's tables and the texts are files of the wheel.
    told = json.loads(archiver("demo", "--orders", "1000", "--no-keep", "--json"))
    assert told["outcome"] == "done"
    assert (installed / "schemas" / "FORMAT.md").is_file()
    assert not list(tmp_path.iterdir())
