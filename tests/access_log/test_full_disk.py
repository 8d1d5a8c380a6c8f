"""A full disk under the state: no answer, a clear error, and nothing lost when there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.access_log.verify import verify_access_log
from archiver.errors import Exit
from archiver.refusals import AccessLogUnwritableError
from tests.access_log.logs import QUESTION, fill, log_in


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; only root may mount it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_on_a_full_disk_there_is_no_answer_and_the_chain_stays_whole(small_disk: Path) -> None:
    log = log_in(small_disk)
    fill(log, 3)
    room = os.statvfs(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(room.f_bavail * room.f_bsize))

    answered = []

    def record_on() -> None:
        while True:  # what SQLite has taken of the disk already can be filled first
            answered.append(log.record(QUESTION).number)

    with pytest.raises(AccessLogUnwritableError) as caught:
        record_on()
    assert caught.value.exit is Exit.TRY_LATER
    assert "SQLITE_FULL" in caught.value.text("en")
    assert "不予显示" in caught.value.text("zh")

    ballast.unlink()
    again = log_in(small_disk)
    assert again.record(QUESTION).number == max([3, *answered]) + 1
    assert verify_access_log(again, None).findings == []
    log.state.close()
    again.state.close()
