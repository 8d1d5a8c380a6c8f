"""Each attack is found and named by one verification, and by nothing that needs luck."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse, layout
from archiver.ledger import origin
from archiver.ports import DefaultRetention, LifecycleRule
from archiver.signed_note import Checkpoint, sign_note
from archiver.verification.codes import KINDS as CODES
from archiver.verification.scope import Scope
from schemas.documents import LedgerPart, LockProof
from tests.verification.grounds import codes, plain_copy, verified_copy
from tests.verification.sites import DAYS, KINDS, Site, rows

CENTURY = timedelta(days=36_524)


def resigned(site: Site, number: int, signer: str, key: Ed25519PrivateKey) -> bytes:
    """Return a manifest that says something else, signed by some key."""
    manifest = site.manifest(number)
    changed = manifest.model_copy(update={"mapping": "forged/1"})
    return dsse.sign(changed.model_dump_json().encode(), "manifest", signer, key)


# --- the acts -----------------------------------------------------------------------------------


def swap_days(site: Site) -> None:
    """Exchange the partitions of two days."""
    first, second = site.of_day(DAYS[0]), site.of_day(DAYS[1])
    ours, theirs = site.content(first), site.content(second)
    site.replace(first, theirs)
    site.replace(second, ours)


def swap_columns(site: Site) -> None:
    """Exchange two stretches of encrypted bytes within a file."""
    key = site.of_day(DAYS[0])
    content = bytearray(site.content(key))
    content[100:164], content[300:364] = content[300:364], content[100:164]
    site.replace(key, bytes(content))


def swap_footer(site: Site) -> None:
    """Put another file's footer below a file."""
    first, second = site.of_day(DAYS[0]), site.of_day(DAYS[1])
    ours, theirs = site.content(first), site.content(second)
    length = int.from_bytes(theirs[-8:-4], "little") + 8
    own = int.from_bytes(ours[-8:-4], "little") + 8
    site.replace(first, ours[:-own] + theirs[-length:])


def forge_footer(site: Site) -> None:
    """Change a byte of a footer."""
    key = site.of_day(DAYS[0])
    site.store.flip_byte(key, site.version(key), len(site.content(key)) - 40)


def plain_file(site: Site) -> None:
    """Put an unencrypted Parquet file in place."""
    site.replace(site.of_day(DAYS[0]), b"PAR1" + bytes(200) + b"PAR1")


def foreign_file(site: Site) -> None:
    """Put any other file in place."""
    site.replace(site.of_day(DAYS[0]), b"PK\x03\x04" + bytes(200))


def drop_a_day(site: Site) -> None:
    """Destroy a day whole: its manifest and all that it names."""
    manifest = site.manifest(2)
    for stored in manifest.objects:
        site.lose(stored.key)
    site.lose(layout.manifest_key(2))


def drop_the_newest(site: Site) -> None:
    """Destroy the newest days."""
    for number in (3, 2):
        for stored in site.manifest(number).objects:
            site.lose(stored.key)
        site.lose(layout.manifest_key(number))


def resign(site: Site) -> None:
    """Replace a manifest by one that another key has signed."""
    other = Ed25519PrivateKey.generate()
    site.replace(layout.manifest_key(3), resigned(site, 3, "0007", other))


def resign_in_our_name(site: Site) -> None:
    """The same, with our signer's number on it."""
    other = Ed25519PrivateKey.generate()
    site.replace(layout.manifest_key(3), resigned(site, 3, "0001", other))


def resign_revoked(site: Site) -> None:
    """A revoked signer writes a newer version of a manifest."""
    thief = Ed25519PrivateKey.generate()
    site.certify(2, thief)
    site.revoke(2)
    site.desk.clock.advance(timedelta(minutes=5))
    content = resigned(site, 3, "0002", thief)
    site.store.overwrite(
        layout.manifest_key(3), content, retain_until=site.archive.evidence_until()
    )


def promise_more_revoked(site: Site) -> None:
    """A revoked signer signs the checkpoint of a ledger that there never was."""
    thief = Ed25519PrivateKey.generate()
    site.certify(2, thief)
    site.revoke(2)
    site.desk.clock.advance(timedelta(minutes=5))
    head = Checkpoint(origin=origin(site.archive.id), size=99, root=bytes(32))
    content = sign_note(head.text, head.origin, thief)
    until = site.archive.evidence_until()
    site.store.overwrite(layout.checkpoint_key(99), content, retain_until=until)


def two_manifests(site: Site) -> None:
    """Whoever holds a signing key writes a second manifest of a number."""
    content = resigned(site, 3, "0001", site.archive.night_keys().signer)
    site.store.overwrite(
        layout.manifest_key(3), content, retain_until=site.archive.evidence_until()
    )


def another_history(site: Site) -> None:
    """The store shows another manifest than the one that this host has seen."""
    content = resigned(site, 3, "0001", site.archive.night_keys().signer)
    site.replace(layout.manifest_key(3), content)


def another_archive(site: Site) -> None:
    """Put another archive's `archive.json` in place."""
    site.replace(layout.ARCHIVE, site.content(layout.ARCHIVE).replace(b'"', b'" ', 1))


def swap_cohorts(site: Site) -> None:
    """Exchange two cohorts' documents."""
    first, second = site.key("cohorts/orders"), site.key("cohorts/orders", 1)
    ours, theirs = site.content(first), site.content(second)
    site.replace(first, theirs)
    site.replace(second, ours)


def lose_cohort(site: Site) -> None:
    """Destroy the keys of everything that ends in one month."""
    cohort = site.manifest(1).objects[0].cohort
    site.lose(layout.cohort_key(cohort))


def shorten(site: Site) -> None:
    """Lock a partition for less than was promised."""
    key = site.of_day(DAYS[0])
    site.store.relock(key, site.version(key), site.until(key) - timedelta(days=30))


def unlock(site: Site) -> None:
    """Take the lock off."""
    key = site.of_day(DAYS[0])
    site.store.relock(key, site.version(key), None)


def prolong(site: Site) -> None:
    """Lock a partition for a century more, as every lock allows."""
    key = site.of_day(DAYS[0])
    site.store.prolong(key, site.version(key), site.until(key) + CENTURY)


def shorten_evidence(site: Site) -> None:
    """Lock a manifest for less than was promised."""
    key = layout.manifest_key(1)
    site.store.relock(key, site.version(key), site.until(key) - timedelta(days=3 * 366))


def prolong_keys(site: Site) -> None:
    """Lock a cohort's keys for a century more: nothing below them could be destroyed in time."""
    key = layout.cohort_key(site.manifest(1).objects[0].cohort)
    site.store.prolong(key, site.version(key), site.until(key) + CENTURY)


def hold(site: Site) -> None:
    """Set a legal hold that nobody has recorded."""
    key = site.of_day(DAYS[0])
    site.store.hold(key, site.version(key), on=True)


def add_lifecycle(site: Site) -> None:
    """Add a life-cycle rule."""
    rule = LifecycleRule(name="clean-up", expires_noncurrent=True)
    site.store.rules = replace(site.store.rules, lifecycle=[rule])


def suspend(site: Site) -> None:
    """Suspend versioning."""
    site.store.versioning = False


def encrypt(site: Site) -> None:
    """Change the default encryption to a key that can be deleted."""
    site.store.rules = replace(site.store.rules, encryption="aws:kms key/1")


def lock_others(site: Site) -> None:
    """Lock whatever anybody puts for a century."""
    default = DefaultRetention(mode="COMPLIANCE", days=36_500)
    site.store.rules = replace(site.store.rules, default_retention=default)


def open_bucket(site: Site) -> None:
    """Let anybody in."""
    policy = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*"}]}'
    site.store.rules = replace(site.store.rules, policy=policy)


def cut_access(site: Site) -> None:
    """Destroy a part of the access log."""
    site.lose(site.key("access/"))


def edit_access(site: Site) -> None:
    """Change a byte of what a part of the access log holds."""
    key = site.key("access/")
    site.store.flip_byte(key, site.version(key), len(site.content(key)) // 2)


def replay(site: Site) -> None:
    """Put an old checkpoint into the place of the last one."""
    first, *_, last = sorted(
        {one.key for one in site.store.list_versions("checkpoints/")},
        key=lambda key: int(key.partition("/")[2]),
    )
    site.replace(last, site.content(first))


def lose_checkpoint(site: Site) -> None:
    """Destroy a checkpoint that the ledger went on from."""
    site.lose(min((one.key for one in site.store.list_versions("checkpoints/")), key=len))


def cut_the_ledger(site: Site) -> None:
    """Destroy the ledger's first part."""
    site.lose(site.key("ledger/0"))


def fork_the_ledger(site: Site) -> None:
    """Whoever holds a signing key writes the ledger's end anew."""
    key = site.key("ledger/0", 1)
    part = site.archive.verify(site.content(key), "ledger", LedgerPart, key)
    forged = part.model_copy(update={"frontier": [bytes(32).hex() for _ in part.frontier]})
    site.replace(key, site.archive.signed(forged, "ledger"))


def rewrite_the_ledger(site: Site) -> None:
    """The same with another entry: the checkpoint tells."""
    key = site.key("ledger/0", 1)
    part = site.archive.verify(site.content(key), "ledger", LedgerPart, key)
    entry = part.entries[-1].replace("2026-", "2025-", 1)
    forged = part.model_copy(update={"entries": [*part.entries[:-1], entry]})
    site.replace(key, site.archive.signed(forged, "ledger"))


def cut_its_end(site: Site) -> None:
    """Destroy the ledger's last part and its checkpoint."""
    last = max(
        (one.key for one in site.store.list_versions("checkpoints/")),
        key=lambda key: int(key.partition("/")[2]),
    )
    site.lose(last)
    site.lose(site.key("ledger/0", 1))


def lose_proof(site: Site) -> None:
    """Destroy the proof of the store's lock."""
    site.lose(site.key("proofs/0"))


def swap_proofs(site: Site) -> None:
    """Put another proof, signed with the night's key, in its place."""
    key = site.key("proofs/0")
    proof = site.archive.verify(site.content(key), "lock-proof", LockProof, key)
    forged = proof.model_copy(update={"findings": [], "store": "another"})
    site.replace(key, site.archive.signed(forged, "lock-proof"))


@dataclass(frozen=True, slots=True)
class Attack:
    """An act, and the code that names it."""

    act: Callable[[Site], None]
    code: str
    offline: bool = True
    """Whether plain files show it, too."""


ATTACKS = [
    Attack(swap_days, "swapped"),
    Attack(swap_columns, "altered"),
    Attack(swap_footer, "footer-swapped"),
    Attack(forge_footer, "footer-altered"),
    Attack(plain_file, "plaintext"),
    Attack(foreign_file, "foreign-file"),
    Attack(drop_a_day, "manifest-missing"),
    Attack(drop_a_day, "missing-day"),
    Attack(drop_the_newest, "rollback"),
    Attack(resign, "signer-unknown"),
    Attack(resign_in_our_name, "signature-invalid"),
    Attack(resign_revoked, "signer-revoked", offline=False),
    Attack(promise_more_revoked, "signer-revoked", offline=False),
    Attack(two_manifests, "two-manifests", offline=False),
    Attack(another_history, "rewritten", offline=False),
    Attack(another_history, "entry-differs"),
    Attack(another_archive, "another-archive"),
    Attack(swap_cohorts, "misplaced"),
    Attack(lose_cohort, "cohort-missing"),
    Attack(shorten, "lock-too-short", offline=False),
    Attack(unlock, "lock-mode", offline=False),
    Attack(prolong, "lock-too-long", offline=False),
    Attack(shorten_evidence, "lock-too-short", offline=False),
    Attack(prolong_keys, "lock-too-long", offline=False),
    Attack(hold, "hold-unexpected", offline=False),
    Attack(add_lifecycle, "lifecycle-deletes", offline=False),
    Attack(suspend, "versioning-suspended", offline=False),
    Attack(encrypt, "encryption-key-can-be-lost", offline=False),
    Attack(lock_others, "default-lock-overlong", offline=False),
    Attack(open_bucket, "policy-public", offline=False),
    Attack(cut_access, "access-part-missing"),
    Attack(edit_access, "access-part-altered"),
    Attack(replay, "checkpoint-replayed"),
    Attack(lose_checkpoint, "checkpoint-missing"),
    Attack(cut_the_ledger, "ledger-part-missing"),
    Attack(fork_the_ledger, "ledger-forked"),
    Attack(rewrite_the_ledger, "checkpoint-differs"),
    Attack(cut_its_end, "rollback", offline=False),
    Attack(lose_proof, "entry-missing"),
    Attack(swap_proofs, "entry-differs"),
]


def test_an_archive_that_nobody_attacked_has_no_alarm_however_it_is_looked_at(
    site: Site, tmp_path: Path
) -> None:
    copied = plain_copy(site.store, tmp_path / "copy")
    for seen in (
        site.verified(),
        site.verified(root=False),
        site.verified(full=False),
        verified_copy(site.desk, copied),
        verified_copy(site.desk, copied, root=False),
    ):
        assert seen.alarms == []
        assert seen.manifests == len(DAYS)
        assert seen.objects_read == seen.objects


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: f"{one.act.__name__}-{one.code}")
def test_each_attack_is_named_and_what_plain_files_show_without_a_store_or_a_key(
    site: Site, attack: Attack, tmp_path: Path
) -> None:
    attack.act(site)
    alarms = site.verified().alarms
    assert attack.code in codes(alarms)
    for one in alarms:
        assert one.said.en
        assert one.article.zh
        assert one.next
    if attack.offline:
        copied = plain_copy(site.store, tmp_path / "copy")
        assert attack.code in codes(verified_copy(site.desk, copied, root=False).alarms)


@pytest.mark.parametrize("kind", KINDS)
def test_a_delete_marker_is_named_on_each_kind_of_object(site: Site, kind: str) -> None:
    key = site.key(KINDS[kind])
    marker = site.store.add_delete_marker(key)
    (finding,) = site.verified().alarms
    assert (finding.code, finding.key, finding.version_id) == ("delete-marker", key, marker)


def test_the_command_that_removes_a_marker_can_be_pasted_whatever_the_key_is(site: Site) -> None:
    scope = Scope.of_store(replace(site.store.settings(), description="s3://vault/a/ at http://b"))
    command = scope.unhide("x; touch $(id) '", "v1")
    named = shlex.split(command)
    assert named[named.index("--key") + 1] == "a/x; touch $(id) '"
    assert named[-4:] == ["--version-id", "v1", "--endpoint-url", "http://b"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_version_is_named_on_each_kind_of_object(site: Site, kind: str) -> None:
    key = site.key(KINDS[kind])
    version = site.store.overwrite(key, b"{}", retain_until=site.archive.evidence_until())
    alarms = site.verified().alarms
    assert "shadowed" in codes(alarms)
    assert {(one.key, one.version_id) for one in alarms} == {(key, version)}


@pytest.mark.parametrize("kind", ["orders", "rejects", "segment", "known"])
def test_an_object_that_is_gone_is_named_with_its_day_and_orders(site: Site, kind: str) -> None:
    key = site.key(KINDS[kind], 3 if kind == "known" else 0)  # the last one's are of orders
    site.lose(key)
    (finding,) = site.verified().alarms
    assert (finding.code, finding.key) == ("object-missing", key)
    place = layout.data_place(key)
    assert place is not None
    assert finding.touched.days == (place.day,)
    assert finding.touched.orders == (0 if kind == "rejects" else 10)


@pytest.mark.parametrize("kind", ["orders", "rejects", "segment", "known", "manifest", "cohort"])
def test_any_flipped_byte_is_an_alarm(site: Site, kind: str) -> None:
    key = site.key(KINDS[kind])
    size = len(site.content(key))
    for offset in (5, size // 2, size - 9)[:: 1 if kind == "orders" else 2]:
        site.store.flip_byte(key, site.version(key), offset)
        alarms = site.verified(memory=False).alarms
        assert key in {one.key for one in alarms}
        site.store.flip_byte(key, site.version(key), offset)


def test_a_dropped_day_is_named_with_its_orders_by_a_host_that_has_seen_it(site: Site) -> None:
    drop_a_day(site)
    (finding,) = [one for one in site.verified().alarms if one.code == "missing-day"]
    assert finding.touched.days == (DAYS[1],)
    assert finding.touched.orders == 10


def test_a_host_without_a_memory_names_a_day_by_what_its_thief_left_behind(site: Site) -> None:
    site.lose(layout.manifest_key(2))
    (finding,) = [one for one in site.verified(memory=False).alarms if one.code == "missing-day"]
    assert finding.touched.days == (DAYS[1],)


def test_what_a_lost_cohort_takes_along_is_counted(site: Site) -> None:
    lose_cohort(site)
    (finding,) = [one for one in site.verified().alarms if one.code == "cohort-missing"]
    assert finding.touched.orders == len(rows()) - 1
    assert finding.touched.days == DAYS


def test_every_code_has_a_sentence_in_both_languages_and_alarms_a_next_command() -> None:
    for code, kind in CODES.items():
        assert kind.en != kind.zh, code
        assert kind.severity != "alarm" or kind.next, code


def test_a_hole_that_no_manifest_ever_filled_is_no_alarm(site: Site) -> None:
    site.desk.rules = replace(site.desk.rules, since=date(2026, 2, 20))
    seen = site.verified()
    assert seen.alarms == []
    (finding,) = [one for one in seen.findings if one.code == "day-not-sealed"]
    assert len(finding.touched.days) == 10
