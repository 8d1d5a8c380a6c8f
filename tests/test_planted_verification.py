"""The tests of verification notice, too: faults as in `test_planted_bugs`."""

from pathlib import Path
from typing import Final

import pytest

from tests.planting import Fault, of_today, require_noticed

ATTACKS: Final = "tests/verification/test_attacks.py::test_"
HONEST: Final = "tests/verification/test_honest_archives.py::test_"
COVERED: Final = "tests/verification/test_coverage.py::test_"
PROVEN: Final = "tests/verification/test_proven.py::test_"
FOLDER: Final = "archiver/verification"
EACH: Final = f"{ATTACKS}each_attack_is_named_and_what_plain_files_show_without_a_store_or_a_key"

FAULTS: Final = (
    Fault(
        "a delete marker over an object is passed over",
        f"{FOLDER}/listing.py",
        "                markers.append(version)\n",
        "                continue\n",
        f"{ATTACKS}a_delete_marker_is_named_on_each_kind_of_object[orders]",
    ),
    Fault(
        "a version beside the named one is passed over",
        f"{FOLDER}/hidden.py",
        "        if other.version_id != version_id:\n",
        "        if False:\n",
        f"{ATTACKS}a_newer_version_is_named_on_each_kind_of_object[orders]",
    ),
    Fault(
        "an object's bytes are not compared",
        f"{FOLDER}/checking.py",
        "    if sha256 == stored.sha256:\n",
        "    if True:\n",
        f"{EACH}[swap_days-swapped]",
    ),
    Fault(
        "a lock may be as long as it likes",
        f"{FOLDER}/objects.py",
        "    elif lock.retain_until > most + MARGIN:\n",
        "    elif False:\n",
        f"{EACH}[prolong-lock-too-long]",
    ),
    Fault(
        "what a revoked signer signs afterwards counts",
        f"{FOLDER}/papers.py",
        "    if revoked is not None and ",
        "    if False and revoked is not None and ",
        f"{EACH}[resign_revoked-signer-revoked]",
    ),
    Fault(
        "what a revoked signer signed before does not count",
        f"{FOLDER}/papers.py",
        "else own) >= revoked:",
        "else own) >= revoked or True:",
        f"{HONEST}another_signer_goes_on_and_the_one_before_stays_good_until_he_is_revoked",
    ),
    Fault(
        "a setting that has come since the proof is a warning",
        f"{FOLDER}/settings.py",
        'severity = "alarm" if changed else one.severity',
        "severity = one.severity",
        f"{EACH}[add_lifecycle-lifecycle-deletes]",
    ),
    Fault(
        "a checkpoint of another size is taken for one",
        f"{FOLDER}/ledgers.py",
        "        elif head.size != size:\n",
        "        elif False:\n",
        f"{EACH}[replay-checkpoint-replayed]",
    ),
    Fault(
        "a document that the ledger has may be gone",
        f"{FOLDER}/ledgers.py",
        "    elif not there:\n",
        "    elif False:\n",
        f"{EACH}[lose_proof-entry-missing]",
    ),
    Fault(
        "nights that were missed are not made up for",
        f"{FOLDER}/coverage.py",
        "for ago in range(missed))",
        "for ago in range(1))",
        f"{COVERED}each_turn_is_read_within_thirty_days_however_nights_are_missed",
    ),
    Fault(
        "an interrupted run begins anew",
        f"{FOLDER}/verifying.py",
        " not in journal.done]",
        " not in ()]",
        f"{COVERED}an_interrupted_verification_of_everything_goes_on",
    ),
    Fault(
        "marks of compared leaves are not keyed with the root",
        f"{FOLDER}/proven.py",
        'hmac.digest(_PURPOSE, root.seed, "sha256")',
        "_PURPOSE",
        f"{PROVEN}a_mark_that_somebody_else_has_set_and_one_that_was_cut_count_for_nothing",
    ),
    Fault(
        "an equal manifest that was sent twice is an alarm",
        f"{FOLDER}/papers.py",
        "one.sha256 == counting.sha256:\n",
        "False:\n",
        f"{HONEST}a_manifest_that_was_sent_twice_is_a_note",
    ),
)


@pytest.mark.planted
@pytest.mark.parametrize("fault", of_today(FAULTS), ids=str)
def test_a_planted_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    require_noticed(fault, tmp_path)
