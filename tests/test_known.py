"""Known orders on this host: what was adopted last answers, however files were merged."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.archive import Archive
from archiver.errors import LocalDiskError
from archiver.known import KnownOrders
from archiver.local_files import write_whole
from archiver.recognition import known_rows
from tests import cards
from tests.desk import at, founded

Entry = tuple[bytes, int]
"""Digest and revision."""

# Few tokens, and many that share their first 64 bits with others.
TOKENS = st.builds(
    lambda head, tail: bytes([head]) * 8 + bytes(7) + bytes([tail]),
    st.integers(0, 5),
    st.integers(0, 5),
)
NIGHTS = st.lists(
    st.lists(st.dictionaries(TOKENS, st.integers(0, 255), max_size=6), max_size=2), max_size=9
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return founded(tmp_path_factory.mktemp("archive")).open()


def as_rows(tokens: list[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(tokens), np.uint8).reshape(-1, 16)


def table(entries: Mapping[bytes, int], revision: int) -> pa.Table:
    count = len(entries)
    return known_rows(
        as_rows(list(entries)),
        as_rows([bytes([digest]) * 16 for digest in entries.values()]),
        revision=np.full(count, revision, np.int32),
        first_seen=np.full(count, 7, np.int64),
        completed=np.full(count, revision * 1000, np.int64),
    )


def require(known: KnownOrders, expected: Mapping[bytes, Entry]) -> None:
    asked = [bytes([h]) * 8 + bytes(7) + bytes([t]) for h in range(7) for t in range(7)]
    match = known.match(as_rows(asked))
    for row, token in enumerate(asked):
        assert match.found[row] == (token in expected)
        if token in expected:
            digest, revision = expected[token]
            assert match.digest[row].tobytes() == digest
            assert match.revision[row] == revision
            assert match.completed_at[row] == revision * 1000
            assert match.first_seen_at[row] == 7


@given(nights=NIGHTS, limit=st.sampled_from([1, 4, 8, 4_000_000]), reopened=st.booleans())
@settings(max_examples=60)
def test_the_latest_entry_of_a_token_answers(
    archive: Archive, nights: list[list[dict[bytes, int]]], limit: int, *, reopened: bool
) -> None:
    expected: dict[bytes, Entry] = {}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("archiver.known.MAX_FILE_ROWS", limit)
        known = KnownOrders.open(archive, Path(folder))
        for number, objects in enumerate(nights, 1):
            # A token stands in one object of a manifest.
            once: dict[bytes, int] = {}
            tables = []
            for entries in objects:
                new = {token: digest for token, digest in entries.items() if token not in once}
                once |= new
                tables.append(table(new, number))
            known.adopt(number, tables)
            expected |= {token: (bytes([d]) * 16, number) for token, d in once.items()}
            if reopened:
                known = KnownOrders.open(archive, Path(folder))
            assert known.through == number
            require(known, expected)
        named = json.loads((Path(folder) / "current.json").read_text())["files"] if nights else []
        assert sorted(named) == sorted(path.name for path in Path(folder).glob("*.arrow"))


def test_files_are_merged_so_that_there_are_few(archive: Archive, tmp_path: Path) -> None:
    known = KnownOrders.open(archive, tmp_path)
    for number in range(1, 65):
        token = number.to_bytes(8, "big") + bytes(8)
        known.adopt(number, [table({token: 1}, number)])
    assert len(list(tmp_path.glob("*.arrow"))) <= 7
    asked = as_rows([n.to_bytes(8, "big") + bytes(8) for n in range(66)])
    assert known.match(asked).found.tolist() == [False, *[True] * 64, False]


def test_a_manifest_that_was_adopted_is_not_adopted_again(archive: Archive, tmp_path: Path) -> None:
    known = KnownOrders.open(archive, tmp_path)
    one = bytes(16)
    known.adopt(1, [table({one: 1}, 1)])
    known.adopt(1, [table({one: 2}, 5)])
    assert known.match(as_rows([one])).revision.tolist() == [1]


def test_nothing_is_known_of_nothing(archive: Archive, tmp_path: Path) -> None:
    known = KnownOrders.open(archive, tmp_path / "not there")
    assert not known.match(as_rows([])).found.size
    assert not known.match(as_rows([bytes(16)])).found.any()


def test_what_lies_on_the_host_names_no_order(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(4), no=f"CANARY-{n}") for n in range(1, 9)])
    desk.night()
    for path in (tmp_path / "index").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"CANARY" not in content
            assert b"example.com" not in content
            assert b"CARD-" not in content


def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(LocalDiskError, match="file"):
        write_whole(path / "below", b"new")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


# --- files that are not those that were written ---------------------------------------------------


def adopted(archive: Archive, folder: Path) -> Path:
    known = KnownOrders.open(archive, folder)
    known.adopt(1, [table({bytes([n]) * 16: n for n in range(100)}, 1)])
    (file,) = folder.glob("*.arrow")
    return file


def test_a_file_that_was_altered_begins_the_copy_anew_and_is_logged(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = adopted(archive, tmp_path)
    content = bytearray(file.read_bytes())
    content[content.index(bytes([77]) * 16)] ^= 1  # a token; the file itself stays sound
    file.write_bytes(content)

    known = KnownOrders.open(archive, tmp_path)

    assert known.through == 0
    assert not known.match(as_rows([bytes([76]) * 16])).found.any()
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("WARNING", "known begun anew")
    assert vars(record)["reason"] == f"{file.name} was altered"


def test_a_pointer_of_another_archive_or_none_begins_anew(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert KnownOrders.open(archive, tmp_path).through == 0
    assert not caplog.records  # the first night has none
    adopted(archive, tmp_path)
    pointer = tmp_path / "current.json"
    pointer.write_text(pointer.read_text().replace(archive.id, "f" * 32))

    assert KnownOrders.open(archive, tmp_path).through == 0
    assert [vars(record)["reason"] for record in caplog.records] == ["of another archive"]


def test_a_copy_restored_from_a_back_up_is_read_through_and_used(
    archive: Archive, tmp_path: Path
) -> None:
    file = adopted(archive, tmp_path)
    restored = tmp_path / "restored"
    shutil.copy(file, restored)  # another inode, another time
    restored.replace(file)

    known = KnownOrders.open(archive, tmp_path)

    assert known.through == 1
    known.adopt(2, [table({bytes(16): 5}, 2)])
    assert KnownOrders.open(archive, tmp_path).through == 2


def test_a_file_is_durable_before_its_name_and_its_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "file"
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        steps.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")

    def replaced(draft: Path, target: Path) -> Path:
        steps.append(f"rename {draft.read_text()}")
        return replace(draft, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)

    write_whole(path, b"whole")

    draft = f"file.{os.getpid()}"
    assert steps == [f"fsync {tmp_path.name}", f"fsync {draft}", "rename whole", "fsync new"]
