"""The tests of the ledger notice, too: faults as in `test_planted_bugs`."""

from pathlib import Path
from typing import Final

import pytest

from tests.planting import Fault, of_today, require_noticed

GOOD, BAD = "tests/ledger/test_ledger.py::test_", "tests/ledger/test_bad_days.py::test_"
BACK, TAKEN = "tests/ledger/test_rollback.py::test_", "tests/ledger/test_extending.py::test_"
MERKLE, NOTES = "tests/test_merkle.py::test_", "tests/test_signed_note.py::test_"
FOREIGN, SIGNERS = "tests/test_foreign_objects.py::test_", "tests/test_signers.py::test_"

FAULTS: Final = (
    Fault(
        "a checkpoint that a dead run has left out is not signed before more is added",
        "archiver/ledger/opened.py",
        "                    self._sign()  # what a dead run has left undone\n",
        "                    pass\n",
        f"{BAD}a_checkpoint_that_a_dead_run_has_not_signed_is_signed_by_the_next",
    ),
    Fault(
        "a part is not looked at again behind its put",
        "archiver/ledger/parts.py",
        "    versions = _versions_at(archive, part.first)\n",
        "    versions = _versions_at(archive, part.first)[-1:]\n",
        f"{BAD}where_every_writer_wins_the_earliest_part_counts_and_one_checkpoint_is_signed",
    ),
    Fault(
        "what lies at a part's key stops everybody",
        "archiver/ledger/parts.py",
        "layout.ledger_key(part.first, os.urandom(ASIDE).hex()), content)",
        "layout.ledger_key(part.first), content)",
        f"{BAD}a_foreign_file_at_the_next_part_s_key_keeps_nobody_from_adding",
    ),
    Fault(
        "nobody looks whether the last part is still there",
        "archiver/ledger/opened.py",
        "            self._require_still_there(self._known.last)\n",
        "            pass\n",
        f"{BACK}a_host_that_has_seen_more_or_something_else_raises_the_alarm[drop_last]",
    ),
    Fault(
        "a damaged copy forgets what it has seen",
        "archiver/ledger/opened.py",
        "            self._remembered = self._known\n",
        "            self._remembered = None\n",
        f"{BACK}a_damaged_local_copy_is_read_anew_and_still_remembers",
    ),
    Fault(
        "a checkpoint over other entries is passed over",
        "archiver/ledger/parts.py",
        "    if other is not None:\n",
        "    if False:\n",
        f"{BACK}a_checkpoint_over_other_entries_is_an_alarm",
    ),
    Fault(
        "the chain of manifests is not compared with the ledger",
        "archiver/ledger/extending.py",
        "    require_same_chain(ledger.taken, chain.entries)\n",
        "",
        f"{TAKEN}another_manifest_of_a_number_is_an_alarm",
    ),
    Fault(
        "a document may stand at any key of its kind",
        "archiver/ledger/pending.py",
        "        if (found.stated.archive, found.belongs) == (archive.id, version.key):\n",
        "        if found.stated.archive == archive.id:\n",
        f"{TAKEN}what_is_not_ours_or_stands_elsewhere_is_not_entered",
    ),
    Fault(
        "what stands between two marks is not compared with the tree",
        "archiver/ledger/local_copy.py",
        "        return Stretch(tail, parts) if (tail.size, tail.root()) == wanted else None\n",
        "        return Stretch(tail, parts) if wanted else None\n",
        f"{GOOD}what_is_shown_from_a_damaged_copy_is_sound_or_read_anew[an entry]",
    ),
    Fault(
        "a consistency proof is checked against the new root only",
        "archiver/merkle.py",
        "(old_reached, new_reached) == (old_root, new_root)",
        "new_reached == new_root",
        f"{MERKLE}a_tree_that_was_rewritten_is_not_consistent",
    ),
    Fault(
        "one signature that holds is enough, whatever else a known key has signed",
        "archiver/signed_note.py",
        "            _verify(key, signature.signature, note.text.encode(), where)\n"
        "            holds = True\n",
        "            _verify(key, signature.signature, note.text.encode(), where)\n"
        "            return note.text\n",
        f"{NOTES}unknown_keys_are_passed_over_and_known_ones_must_hold",
    ),
    Fault(
        "above a foreign file nobody looks who was first",
        "archiver/write_once.py",
        "        if (first := _first(store, versions_of(store, key), ours)) is not None:\n"
        "            return _settled(store, first, content)\n"
        "    raise",
        "        return store.head(key, versions_of(store, key)[-1].version_id)\n    raise",
        f"{FOREIGN}of_two_runs_the_first_wins_where_the_server_knows_no_condition",
    ),
    Fault(
        "above a foreign file every writer wins",
        "archiver/stores/memory.py",
        "            if latest.version_id != above:\n",
        "            if not above:\n",
        "tests/stores/test_memory.py::TestMemoryStore::"
        "test_above_a_version_of_others_one_writer_puts_his",
    ),
    Fault(
        "a file in a manifest's place makes the number free",
        "archiver/catalog.py",
        "                self._require_all(self.next_number)\n",
        "",
        f"{FOREIGN}a_file_in_the_place_of_a_manifest_that_was_destroyed_is_no_free_number",
    ),
    Fault(
        "nights take what a revoked signer signs",
        "archiver/archive.py",
        "if since is not None and (made is None or made >= since):",
        "if since is not None and made is None:",
        f"{SIGNERS}what_a_signer_signed_before_he_was_revoked_counts_and_nothing_behind_it",
    ),
)


@pytest.mark.planted
@pytest.mark.parametrize("fault", of_today(FAULTS), ids=str)
def test_a_planted_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    require_noticed(fault, tmp_path)
