"""A build that is killed at any moment, and readers that ask all the while."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from archiver.index import Index
from archiver.search_tokens import Kind, ask
from tests.golden.make import V1
from tests.index.killed_build import builder

KILLS = 3


def test_a_build_that_is_killed_leaves_an_index_that_answers(tmp_path: Path) -> None:
    shutil.copytree(V1, tmp_path, dirs_exist_ok=True)
    for key in tmp_path.glob("*.key"):
        key.chmod(0o600)  # git keeps no such thing
    made, catalog = builder(tmp_path)
    made.rebuild(catalog.entries)
    question = ask(made.keys.search, Kind.ORDER_ID, "N9")
    assert question
    expected = Index.open(made.folder, made.archive.id).find([question])
    assert len(expected) == 2

    for kill in range(KILLS):
        argv = [sys.executable, "-m", "tests.index.killed_build", str(tmp_path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout
            # Each time it is in another build and, since a question takes a while, elsewhere in it.
            for _ in range(1 + kill // 2):
                assert process.stdout.readline() == b"building\n"
            for _ in range(1 + 2 * kill):
                assert Index.open(made.folder, made.archive.id).find([question]) == expected
            process.send_signal(signal.SIGKILL)
        assert Index.open(made.folder, made.archive.id).find([question]) == expected

    made.rebuild(catalog.entries)
    index = Index.open(made.folder, made.archive.id)
    assert index.find([question]) == expected
    # What the killed builds left is gone.
    stems = {path.name.partition(".")[0] for path in made.folder.glob("0*")}
    assert stems == {one.name for one in index.pointer.segments}
