"""Leaves are computed once for each object; marks of that take the base root to be set."""

from pathlib import Path

import pyarrow as pa
import pytest

from archiver import canonical
from archiver.keyring import KeyPair
from archiver.verification.proven import MARK, Proven
from tests.desk import Desk
from tests.verification.grounds import ground_of, verified
from tests.verification.sites import attacked, sealed


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A sealed archive."""
    return sealed(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each computation of leaves."""
    counted: list[int] = []
    original = canonical.order_leaves

    def counting(rows: pa.Table, base_kek: bytes, *, first_row: int) -> list[bytes]:
        counted.append(len(rows))
        return original(rows, base_kek, first_row=first_row)

    monkeypatch.setattr(canonical, "order_leaves", counting)
    return counted


def test_leaves_are_computed_once_and_again_when_asked(
    desk: Desk, tmp_path: Path, computed: list[int]
) -> None:
    with attacked(desk, tmp_path) as site:
        assert site.verified().alarms == []
        first = len(computed)
        assert first > 0
        assert site.verified().alarms == []
        assert len(computed) == first
        assert site.verified(deep=True).alarms == []
        assert len(computed) == 2 * first


def test_bytes_are_hashed_and_keys_opened_all_the_same(desk: Desk, tmp_path: Path) -> None:
    with attacked(desk, tmp_path) as site:
        assert site.verified().alarms == []
        key = site.key("orders/")
        site.store.flip_byte(key, site.version(key), 50)
        assert {one.code for one in site.verified().alarms} == {"altered"}


def test_a_mark_that_somebody_else_has_set_and_one_that_was_cut_count_for_nothing(
    desk: Desk, tmp_path: Path
) -> None:
    with attacked(desk, tmp_path) as site:
        verified(site.desk)
        memory = site.desk.place.folder / "index"
        root = ground_of(site.desk).root
        assert root is not None
        stored = site.manifest(1).objects[0]
        rule = site.desk.rules.retention
        assert Proven.open(memory, root, anew=False).has(stored, rule)
        assert not Proven.open(memory, KeyPair.generate(), anew=False).has(stored, rule)
        assert not Proven.open(memory, None, anew=False).has(stored, rule)
        other = stored.model_copy(update={"merkle_root": "00" * 32})
        assert not Proven.open(memory, root, anew=False).has(other, rule)
        path = memory / "verification" / "proven.marks"
        path.write_bytes(path.read_bytes()[: MARK + 3])
        again = Proven.open(memory, root, anew=False)
        again.add([(stored, rule)])
        again.close()
        assert Proven.open(memory, root, anew=False).has(stored, rule)
