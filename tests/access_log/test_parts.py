"""Sealed parts, and what `verify` says of each way in which a log can be attacked."""

import base64
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from archiver import layout, roots
from archiver.access_log import AccessLog, parts
from archiver.access_log.entry import digest
from archiver.access_log.parts import latest_part, open_part, parts_of, seal_access_log
from archiver.access_log.tables import entries
from archiver.access_log.verify import Verified, verify_access_log
from archiver.archive import Archive
from archiver.errors import AnotherRunError, Exit, KeyUnavailableError
from archiver.keyring import KeyPair
from archiver.ports import LockMode
from archiver.refusals import AccessLogBrokenError, HeadFileError
from archiver.stores.memory import MemoryStore
from tests.access_log.logs import QUESTION, fill, log_in, sql
from tests.archives import Place
from tests.clock import FrozenClock

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Site:
    """An archive and the log of the host that answers questions from it."""

    folder: Path
    clock: FrozenClock
    store: MemoryStore
    archive: Archive
    log: AccessLog

    @property
    def root(self) -> KeyPair:
        """The base root."""
        return roots.open_root(
            roots.FileRoot(self.folder / "root.key"),
            self.archive.document.roots["base"],
            self.archive.id,
            "base",
            environment={},
        )

    def verified(self) -> Verified:
        """Compare state, head file and parts, contents included."""
        return verify_access_log(self.log, self.archive, self.root)

    def codes(self) -> list[str]:
        """Return the codes of what was found, each once."""
        return sorted({one.code for one in self.verified().findings})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A founded archive; nothing was asked yet."""
    clock = FrozenClock()
    store = MemoryStore(clock=clock)
    archive = Place(tmp_path).found(store, clock)
    log = log_in(tmp_path, clock, archive=archive.id)
    return Site(tmp_path, clock, store, archive, log)


@pytest.fixture
def sealed(site: Site) -> Site:
    """Seven entries, the first five of them sealed in two parts, all told to the head file."""
    fill(site.log, 3)
    seal_access_log(site.archive, site.log)
    fill(site.log, 2)
    seal_access_log(site.archive, site.log)
    fill(site.log, 2)
    site.log.publish_head()
    assert site.codes() == []
    return site


def test_a_part_holds_what_came_since_the_one_before_and_only_the_root_opens_it(
    site: Site,
) -> None:
    fill(site.log, 3)
    (first,) = seal_access_log(site.archive, site.log)
    fill(site.log, 2)
    (second,) = seal_access_log(site.archive, site.log)

    assert (first.first, first.last, first.before) == (1, 3, None)
    assert (second.first, second.last, second.before) == (4, 5, first.head)
    bodies = [bytes(row["body"]) for row in site.log.stored("main")]
    opened = open_part(site.archive, first, site.root) + open_part(site.archive, second, site.root)
    assert opened == bodies
    assert digest(bodies[-1]) == second.head
    content = site.store.get(layout.access_key("main", 1))
    assert b"alice" not in content + base64.b64decode(first.sealed)
    with pytest.raises(KeyUnavailableError):
        open_part(site.archive, first, KeyPair.generate())


def test_a_part_is_locked_for_three_years_and_its_keys_end_with_it(site: Site) -> None:
    fill(site.log, 1)
    (part,) = seal_access_log(site.archive, site.log)
    (version,) = site.store.list_versions(layout.access_key("main", 1))
    stored = site.store.head(version.key, version.version_id)

    assert stored.mode is LockMode.COMPLIANCE
    assert stored.retain_until == datetime(2029, 3, 16, tzinfo=SHANGHAI)
    assert part.cohort.startswith("access-2029-03-")


def test_sealing_again_seals_nothing_twice_and_an_empty_log_nothing(site: Site) -> None:
    assert seal_access_log(site.archive, site.log) == []
    fill(site.log, 2)
    assert len(seal_access_log(site.archive, site.log)) == 1
    assert seal_access_log(site.archive, site.log) == []


def test_a_long_log_is_sealed_in_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ENTRIES", 3)
    fill(site.log, 7)
    made = seal_access_log(site.archive, site.log)
    assert [(one.part, one.first, one.last) for one in made] == [(1, 1, 3), (2, 4, 6), (3, 7, 7)]
    assert site.codes() == []


def test_the_chains_of_all_nodes_of_a_state_are_sealed(site: Site) -> None:
    fill(site.log, 2)
    fill(replace(site.log, node="second"), 3)
    assert [(one.node, one.last) for one in seal_access_log(site.archive, site.log)] == [
        ("main", 2),
        ("second", 3),
    ]
    assert site.verified().entries == {"main": 2, "second": 3}
    assert site.codes() == []


def test_the_chain_of_a_host_with_a_state_of_its_own_is_not_missed_here(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = log_in(tmp_path / "other", site.clock, node="second", archive=site.archive.id)
    fill(other, 2)
    fill(site.log, 1)
    seal_access_log(site.archive, other)
    seal_access_log(site.archive, site.log)
    assert site.codes() == []
    assert verify_access_log(other, site.archive).findings == []
    assert site.verified().parts == 2


def test_two_hosts_under_one_name_are_told(site: Site, tmp_path: Path) -> None:
    fill(site.log, 2)
    seal_access_log(site.archive, site.log)
    (tmp_path / "other").mkdir()
    other = log_in(tmp_path / "other", site.clock, archive=site.archive.id)
    fill(other, 1)
    with pytest.raises(AccessLogBrokenError):
        seal_access_log(site.archive, other)


def test_who_seals_at_the_same_time_gets_another_number_or_is_told(site: Site) -> None:
    fill(site.log, 1)
    last = latest_part(site.archive, "main")
    body = [(row["number"], bytes(row["body"]), row["digest"]) for row in site.log.stored("main")]
    seal_access_log(site.archive, site.log)
    with pytest.raises(AnotherRunError) as caught:
        parts._seal(site.archive, "main", last, body)
    assert caught.value.exit is Exit.TRY_LATER


# --- attacks --------------------------------------------------------------------------------------


def delete_one_in_the_middle(site: Site) -> None:
    sql(site.log.state, "DELETE FROM access_entries WHERE number = 4")


def cut_the_tail(site: Site) -> None:
    sql(site.log.state, "DELETE FROM access_entries WHERE number > 5")


def cut_the_tail_and_the_head(site: Site) -> None:
    cut_the_tail(site)
    sql(
        site.log.state,
        "UPDATE access_heads SET number = 5, digest = (SELECT digest FROM access_entries "
        "WHERE number = 5)",
    )


def delete_all(site: Site) -> None:
    sql(site.log.state, "DELETE FROM access_entries")
    sql(site.log.state, "DELETE FROM access_heads")


def edit(site: Site) -> None:
    sql(
        site.log.state,
        "UPDATE access_entries SET body = replace(body, 'alice', 'carol') WHERE number = 2",
    )


def edit_with_its_digest(site: Site) -> None:
    rows = {row["number"]: bytes(row["body"]) for row in site.log.stored("main")}
    altered = rows[7].replace(b'"operator":"alice"', b'"operator":"carol"')
    sql(
        site.log.state,
        f"UPDATE access_entries SET body = x'{altered.hex()}', digest = '{digest(altered)}', "
        "operator = 'carol' WHERE number = 7",
    )
    sql(site.log.state, f"UPDATE access_heads SET digest = '{digest(altered)}'")


def hide_from_the_watch(site: Site) -> None:
    sql(site.log.state, "UPDATE access_entries SET operator = 'carol' WHERE number = 6")


def write_anew(site: Site) -> None:
    delete_all(site)
    fill(replace(site.log, head_file=None, clock=FrozenClock()), 5)
    site.clock.advance(timedelta(seconds=1))
    fill(replace(site.log, head_file=None), 3)


def swap(site: Site) -> None:
    for old, new in ((5, 99), (6, 5), (99, 6)):
        sql(site.log.state, f"UPDATE access_entries SET number = {new} WHERE number = {old}")


def garble_the_head_file(site: Site) -> None:
    assert site.log.head_file is not None
    lines = site.log.head_file.read_text().splitlines()
    site.log.head_file.write_text("\n".join(["{}", *lines[1:]]) + "\n")


def spoil_a_part(site: Site) -> None:
    """Somebody had the bucket's deletion rights and no lock stood in his way."""
    key = layout.access_key("main", 1)
    (version,) = site.store.list_versions(key)
    site.store.flip_byte(key, version.version_id, 200)


def lose_a_part(site: Site) -> None:
    key = layout.access_key("main", 1)
    (version,) = site.store.list_versions(key)
    site.store.drop(key, version.version_id)


def make_an_entry_unreadable(site: Site) -> None:
    sql(site.log.state, "UPDATE access_entries SET body = x'7b7d' WHERE number = 7")


def move_an_entry_here_from_another_archive(site: Site) -> None:
    body = next(bytes(row["body"]) for row in site.log.stored("main", 7))
    other = body.replace(site.archive.id.encode(), b"0" * 32)
    sql(
        site.log.state,
        f"UPDATE access_entries SET body = x'{other.hex()}', digest = '{digest(other)}' "
        "WHERE number = 7",
    )


def disagree_about_the_head(site: Site) -> None:
    sql(site.log.state, "UPDATE access_heads SET digest = 'x'")


def lose_the_head(site: Site) -> None:
    sql(site.log.state, "DELETE FROM access_heads")


ATTACKS: dict[Callable[[Site], None], list[str]] = {
    delete_one_in_the_middle: ["access-cut"],
    cut_the_tail: ["access-cut"],
    cut_the_tail_and_the_head: ["access-restored"],
    delete_all: ["access-restored"],
    edit: ["access-edited"],
    edit_with_its_digest: ["access-forked"],
    hide_from_the_watch: ["access-edited"],
    swap: ["access-edited", "access-forked"],
    make_an_entry_unreadable: ["access-cut", "access-edited", "access-forked"],
    move_an_entry_here_from_another_archive: ["access-cut", "access-edited", "access-forked"],
    disagree_about_the_head: ["access-cut"],
    lose_the_head: ["access-cut"],
    garble_the_head_file: ["access-head-altered"],
    spoil_a_part: ["access-part-altered"],
    lose_a_part: ["access-part-missing"],
}


@pytest.mark.parametrize(
    ("attack", "codes"), ATTACKS.items(), ids=lambda one: getattr(one, "__name__", "")
)
def test_each_attack_has_its_code(
    sealed: Site, attack: Callable[[Site], None], codes: list[str]
) -> None:
    attack(sealed)
    assert sealed.codes() == codes


def test_an_entry_left_out_with_all_behind_it_renumbered_is_told(site: Site) -> None:
    fill(site.log, 4)
    log = replace(site.log, head_file=None)
    rows, last = list(log.stored("main")), ""
    sql(log.state, "DELETE FROM access_entries WHERE number >= 2")
    for number, row in enumerate(rows[2:], 2):
        altered = bytes(row["body"]).replace(
            f'"number":{row["number"]}'.encode(), f'"number":{number}'.encode()
        )
        with log.state.writing() as connection:
            last = digest(altered)
            values = {**row, "number": number, "body": altered, "digest": last}
            connection.execute(entries.insert().values(values))
    sql(log.state, f"UPDATE access_heads SET number = 3, digest = '{last}'")
    assert {one.code for one in verify_access_log(log, None).findings} == {"access-edited"}


def test_a_log_that_was_written_anew_does_not_match_what_was_told(sealed: Site) -> None:
    write_anew(sealed)
    assert "access-forked" in sealed.codes()


def test_a_restored_state_that_went_on_is_told_by_head_file_and_parts(site: Site) -> None:
    fill(site.log, 2)
    site.log.state.close()
    old = (site.folder / "state.db").read_bytes()
    fill(site.log, 3)
    site.log.publish_head()
    seal_access_log(site.archive, site.log)
    site.log.state.close()
    for path in site.folder.glob("state.db*"):
        path.unlink()
    (site.folder / "state.db").write_bytes(old)
    assert site.codes() == ["access-restored"]
    with pytest.raises(AccessLogBrokenError):
        seal_access_log(site.archive, site.log)

    site.clock.advance(timedelta(hours=1))
    fill(site.log, 6)
    assert site.codes() == ["access-forked"]
    told = {one.key for one in site.verified().findings}
    assert told == {None} or layout.access_key("main", 1) in told


def test_without_any_key_the_ends_of_parts_are_compared(sealed: Site) -> None:
    found = verify_access_log(sealed.log, sealed.archive)
    assert (found.opened, found.parts, found.entries) == (False, 2, {"main": 7})
    assert found.findings == []
    edit_with_its_digest(sealed)
    cut_the_tail_and_the_head(sealed)
    assert [one.code for one in verify_access_log(sealed.log, sealed.archive).findings] == [
        "access-restored"
    ]


def test_without_head_file_and_store_the_chain_itself_is_walked(sealed: Site) -> None:
    log = replace(sealed.log, head_file=None)
    assert verify_access_log(log, None).findings == []
    edit(sealed)
    assert {one.code for one in verify_access_log(log, None).findings} == {"access-edited"}


@pytest.mark.parametrize(
    "forged",
    [
        {"before": "0" * 64},
        {"previous": "0" * 64},
        {"first": 5, "last": 6},
        {"archive": "f" * 32},
        {"node": "second"},
        {"sealed": base64.b64encode(bytes(99)).decode()},
        {"cohort": "access-2029-03-00000000"},
    ],
    ids=",".join,
)
def test_a_part_that_a_thief_of_the_signing_key_made_is_told(
    sealed: Site, forged: dict[str, object]
) -> None:
    seal_access_log(sealed.archive, sealed.log)
    last = latest_part(sealed.archive, "main")
    assert last is not None
    head = {"part": 4, "before": last.document.head, "previous": last.signed.sha256}
    made = last.document.model_copy(update={**head, "first": 8, "last": 8, **forged})
    until = sealed.clock.now() + timedelta(days=1)
    sealed.archive.put_document(layout.access_key("main", 4), made, "access", retain_until=until)
    assert "access-part-altered" in sealed.codes()


def test_what_is_sealed_opens_with_its_own_root_only(sealed: Site) -> None:
    found = verify_access_log(sealed.log, sealed.archive, KeyPair.generate())
    assert {one.code for one in found.findings} == {"access-part-altered"}


def test_a_chain_with_a_gap_is_not_sealed(sealed: Site) -> None:
    sql(sealed.log.state, "DELETE FROM access_entries WHERE number = 6")
    with pytest.raises(AccessLogBrokenError):
        seal_access_log(sealed.archive, sealed.log)


def test_a_head_file_that_cannot_be_read_is_an_error(site: Site) -> None:
    log = replace(site.log, head_file=site.folder)
    with pytest.raises(HeadFileError):
        verify_access_log(log, None)
    fill(log, 1)
    assert [type(error) for error in log.alarms] == [HeadFileError]


def test_findings_speak_both_languages(sealed: Site) -> None:
    for attack in (edit, garble_the_head_file, spoil_a_part, cut_the_tail):
        attack(sealed)
    found = sealed.verified().findings
    assert len({one.code for one in found}) >= 4
    for one in found:
        assert one.said.en.isascii()
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.said.zh)


def test_of_several_versions_of_a_part_the_earliest_that_verifies_counts(sealed: Site) -> None:
    site = sealed
    key = layout.access_key("main", 2)
    site.store.overwrite(key, site.store.get(layout.access_key("main", 1)))
    site.store.add_delete_marker(key)
    assert site.codes() == []
    assert [
        one.document.part
        for one in parts_of(site.archive, "main")
        if isinstance(one, parts.StoredPart)
    ] == [1, 2]


def test_a_copy_of_the_state_verifies_like_the_state(sealed: Site, tmp_path: Path) -> None:
    sealed.log.state.close()
    (tmp_path / "copy").mkdir()
    for path in sealed.folder.glob("state.db*"):
        shutil.copy(path, tmp_path / "copy")
    log = replace(
        log_in(tmp_path / "copy", sealed.clock, archive=sealed.archive.id), head_file=None
    )
    assert verify_access_log(log, sealed.archive).findings == []
    assert QUESTION.operator == "alice"
