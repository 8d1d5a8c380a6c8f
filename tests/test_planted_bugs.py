"""The tests notice: one line is made wrong at a time, and the test that guards it must fail."""

from pathlib import Path

import pytest

from tests.planting import Fault, of_today, require_noticed

BACKFILL = "tests/test_backfill.py::test_"
CAPTURE, NIGHTLY = "tests/test_capture.py::test_", "tests/test_nightly.py::test_"
CENSUS, RETIREMENT = "tests/test_census.py::test_", "tests/test_retirement.py::test_"
CRASHES, SEALING = "tests/test_crashes.py::test_", "tests/test_sealing.py::test_"
READER, FOUNDING = "tests/test_format_reader.py::test_", "tests/test_initialise.py::test_"
FENCED, CLOCKS = "tests/test_fenced_nights.py::test_", "tests/test_clocks.py::test_"
PROOFS = "tests/proving/test_"
PARTITIONS = "tests/test_capture_partitions.py::test_"
REVISIONS, LIES = "tests/test_census_revisions.py::test_", "tests/test_lying_stores.py::test_"
FENCE = "tests/state/test_fence.py::TestSqlite::test_"
A_NIGHT_AGAIN = f"{CRASHES}a_night_can_be_repeated_after_a_failure_at_any_call"

FAULTS = (
    Fault(
        "known orders are adopted before the manifest counts",
        "archiver/naming.py",
        "            self.catalog.append(manifest)\n"
        "            self.known.adopt(manifest.number, entries, Origin.of(manifest))\n",
        "            self.known.adopt(manifest.number, entries, Origin.of(manifest))\n"
        "            self.catalog.append(manifest)\n",
        f"{A_NIGHT_AGAIN}",
    ),
    Fault(
        "known orders are not caught up with",
        "archiver/nightly.py",
        "        self.known.catch_up(self.catalog)\n",
        "",
        f"{CRASHES}lost_and_damaged_local_files_are_made_again_by_the_next_night",
    ),
    Fault(
        "grace is ignored",
        "archiver/archive.py",
        "(now - self.grace)",
        "now",
        f"{NIGHTLY}a_day_is_closed_when_its_grace_is_over_and_not_a_microsecond_before",
    ),
    Fault(
        "no look-back from the oldest day due",
        "archiver/spans.py",
        "midnight(days[0], zone, 1) - rules.lookback",
        "midnight(days[0], zone, 1)",
        f"{NIGHTLY}what_happened_while_no_night_ran_is_caught_up_with",
    ),
    Fault(
        "the source's calendar is taken for the archive's",
        "archiver/spans.py",
        "midnight(days[0], zone, -2)",
        "midnight(days[0], zone)",
        f"{NIGHTLY}a_first_night_misses_nothing_where_source_and_archive_have_other_calendars",
    ),
    Fault(
        "since is ignored",
        "archiver/spans.py",
        "earliest=rules.since or date.min",
        "earliest=date.min",
        f"{NIGHTLY}orders_before_since_are_not_this_archives",
    ),
    Fault(
        "a pass is named whatever has become known meanwhile",
        "archiver/backfill.py",
        "if not all(map(self._known.is_continued_by, entries)):",
        "if not all(map(len, entries)):",
        f"{BACKFILL}an_id_in_two_passes_is_settled_as_nights_would_have",
    ),
    Fault(
        "rejects are sealed by each pass that meets them",
        "archiver/passes.py",
        "    if not len(before):\n",
        "    if len(before):\n",
        f"{BACKFILL}rejects_that_every_pass_meets_are_sealed_once",
    ),
    Fault(
        "passes take each other's orders",
        "archiver/capture.py",
        "        if span.elsewhere:\n",
        "        if not span.days:\n",
        f"{BACKFILL}orders_touched_in_the_days_of_another_pass_are_left_to_their_own",
    ),
    Fault(
        "a gap is sealed without a look back",
        "archiver/history.py",
        "if days[0] - timedelta(days=1) in sealed:",
        "if days[0] in sealed:",
        f"{BACKFILL}a_gap_is_sealed_with_all_that_happened_in_it",
    ),
    Fault(
        "what a run on another host has sealed is not fetched",
        "archiver/backfill.py",
        "            self._known.catch_up(self.catalog)\n",
        "",
        f"{BACKFILL}a_night_in_between_takes_nothing_and_doubles_nothing",
    ),
    Fault(
        "any number of bytes is locked",
        "archiver/passes.py",
        "if self.bytes_sealed > limit:",
        "if limit < 0:",
        f"{NIGHTLY}more_bytes_than_foreseen_are_refused_and_nothing_counts",
    ),
    Fault(
        "a row at the edge of the look-back is left out",
        "archiver/rows.py",
        "(numbers >= start)",
        "(numbers > start)",
        f"{NIGHTLY}the_look_back_reaches_exactly_as_far_as_configured",
    ),
    Fault(
        "what is free at this instant is locked",
        "archiver/capture.py",
        "(free <= ",
        "(free < ",
        f"{PARTITIONS}orders_past_their_retention_are_counted_and_not_sealed",
    ),
    Fault(
        "a proxy moves the first end time",
        "archiver/stamping.py",
        "(first_ends != 0), first_ends, later)",
        "(first_ends != 0), own_ends, later)",
        f"{CAPTURE}an_end_time_known_by_proxy_stands_however_often_the_row_is_saved",
    ),
    Fault(
        "an end time moves earlier",
        "archiver/stamping.py",
        "np.maximum(first_ends, own_ends)",
        "own_ends",
        f"{CAPTURE}an_end_time_of_its_own_may_move_later_but_never_earlier",
    ),
    Fault(
        "first sight is forgotten",
        "archiver/capture.py",
        "np.where(match.found, match.first_seen_at, microseconds(self._now))",
        "np.full(len(match.found), microseconds(self._now))",
        f"{CAPTURE}a_change_of_its_own_columns_makes_the_next_revision",
    ),
    Fault(
        "every revision is the first",
        "archiver/capture.py",
        "np.where(match.found, match.revision + 1, 1)",
        "np.where(match.found, 1, 1)",
        f"{CAPTURE}a_change_of_its_own_columns_makes_the_next_revision",
    ),
    Fault(
        "the census shows nobody",
        "archiver/census.py",
        "        self._roll.mark(match)\n",
        "",
        f"{CENSUS}orders_of_other_sources_are_not_missed",
    ),
    Fault(
        "an order that ended unseen stays open",
        "archiver/census.py",
        "chosen = unknown | finished",
        "chosen = unknown",
        f"{CENSUS}the_end_of_an_open_order_is_found_though_it_touches_no_time",
    ),
    Fault(
        "what a pass has met is met again by its census",
        "archiver/census.py",
        "        chosen &= ~self._met.has_met(heads)\n",
        "",
        f"{CENSUS}what_a_night_has_just_sealed_or_rejected_is_not_read_again",
    ),
    Fault(
        "what comes back from a backup is a revision",
        "archiver/capture.py",
        "        same |= restored\n",
        "",
        f"{REVISIONS}a_database_restored_to_last_week_is_an_alarm_and_nothing_is_sealed_twice",
    ),
    Fault(
        "the limit of revisions is off by one",
        "archiver/capture.py",
        "np.flatnonzero(revised)[self.revisions_left - self.notes.revisions :]",
        "np.flatnonzero(revised)[1 + self.revisions_left - self.notes.revisions :]",
        f"{REVISIONS}no_more_revisions_than_foreseen_are_sealed_in_a_night_and_the_rest_later",
    ),
    Fault(
        "a migration makes a revision of every order",
        "archiver/capture.py",
        "            same |= inherited & ~self._inheritance.changed(rows, match)\n",
        "            pass\n",
        f"{RETIREMENT}orders_keep_being_known_under_the_source_that_continues_theirs",
    ),
    Fault(
        "another order with an old number is taken for the old one",
        "archiver/inheritance.py",
        "~result.found & ~apart",
        "~result.found",
        f"{RETIREMENT}another_order_with_an_old_number_is_sealed",
    ),
    Fault(
        "a retired source is sealed on",
        "archiver/nightly.py",
        "        self.catalog.require_in_use(source.source.name)\n",
        "",
        f"{RETIREMENT}a_retired_source_in_the_configuration_is_refused_and_others_are_sealed",
    ),
    Fault(
        "duplicates are counted as new",
        "archiver/capture.py",
        "single = ~conflict & ~extra",
        "single = ~conflict",
        f"{CAPTURE}equal_rows_count_once",
    ),
    Fault(
        "one of two different rows is taken for the order",
        "archiver/rows.py",
        "conflict = np.isin(group, group[differs])",
        "conflict = differs",
        f"{CAPTURE}different_rows_with_one_id_are_all_rejects",
    ),
    Fault(
        "retention is counted in the archive's zone",
        "archiver/capture.py",
        "local_days(ends, retention.LEGAL_ZONE)",
        "local_days(ends, self.archive.rules.zone)",
        f"{NIGHTLY}days_are_the_archives_and_retention_is_the_laws",
    ),
    Fault(
        "a look-up is part of the digest",
        "archiver/mapping/model.py",
        "return tuple(sorted(named - self.lookup_columns))",
        "return tuple(sorted(named))",
        f"{CAPTURE}a_row_that_was_only_touched_is_unchanged",
    ),
    Fault(
        "the change time is part of the digest",
        "archiver/mapping/model.py",
        "if name != change)",
        "if name)",
        f"{CAPTURE}a_row_that_was_only_touched_is_unchanged",
    ),
    Fault(
        "three years are 1,095 days",
        "archiver/retention.py",
        "free = date(year, end.month, last_day) + timedelta(days=1)",
        "free = date(end.year, end.month, end.day) + timedelta(days=365 * rule.years + 1)",
        f"{PARTITIONS}a_partition_is_kept_exactly_until_its_latest_orders_date",
    ),
    Fault(
        "the 29th of February has an anniversary",
        "archiver/retention.py",
        "last_day = min(end.day, calendar.monthrange(year, end.month)[1])",
        "last_day = end.day",
        f"{PARTITIONS}a_partition_is_kept_exactly_until_its_latest_orders_date",
    ),
    Fault(
        "a cohort's month is that of UTC",
        "archiver/retention.py",
        "{retain.astimezone(zone):%Y-%m}",
        "{retain:%Y-%m}",
        f"{PARTITIONS}a_partition_is_kept_exactly_until_its_latest_orders_date",
    ),
    Fault(
        "a partition takes the earliest date of its orders",
        "archiver/batch.py",
        "retain_until=max(",
        "retain_until=min(",
        f"{PARTITIONS}each_partition_of_a_supplement_has_the_date_of_its_own_latest_order",
    ),
    Fault(
        "all salts are the same",
        "archiver/canonical.py",
        "np.arange(first_row, first_row + rows, dtype=np.uint64)",
        "0",
        f"{READER}an_auditor_with_both_roots_finds_nothing_wrong",
    ),
    Fault(
        "a proof's fields need not be the sealed ones",
        "schemas/verify_proof.py",
        'same = tree_root(leaf, row, named["rows"], path).hex() == named["merkle_root"]',
        'same = bool(tree_root(leaf, row, named["rows"], path))',
        f"{PROOFS}verify_proof.py::test_fields_and_paths_of_different_orders_do_not_mix",
    ),
    Fault(
        "a manifest in a proof may bring its own key",
        "schemas/verify_proof.py",
        "keys = keys if keys is not None else",
        "keys = keys or",
        f"{PROOFS}verify_proof.py::test_a_manifest_that_brings_its_own_key_is_refused",
    ),
    Fault(
        "what is withheld stands in the proof",
        "archiver/proof.py",
        'if "buyer" in withheld:',
        'if "buyer" == withheld:',
        f"{PROOFS}proving.py::test_the_buyer_can_be_withheld_and_is_nowhere_in_the_file",
    ),
    Fault(
        "one leaf stays in plain",
        "archiver/partition.py",
        "        for path, name in leaf_keys.items():\n",
        '        for path, name in leaf_keys.items() - {("buyer.contact", "base")}:\n',
        f"{SEALING}no_object_holds_anything_in_plain",
    ),
    Fault(
        "card secrets open with the base key",
        "schemas/orders.py",
        '_field("secret", TEXT, "source: card secret or what was handed over", reveal=True)',
        '_field("secret", TEXT, "source: card secret or what was handed over")',
        "tests/test_schemas.py::"
        "test_card_secrets_and_free_text_are_under_the_reveal_key_and_nothing_else",
    ),
    Fault(
        "a sealed key is not bound to its object",
        "archiver/keyring.py",
        'info = binding("kek", cohort.archive, name, object_key)',
        'info = binding("kek", cohort.archive, name)',
        f"{READER}the_reader_gives_the_rows_that_were_sealed",
    ),
    Fault(
        "what was sealed is not read back",
        "archiver/sealing.py",
        "read_back = _read_back(archive, stored, file, keks, ORDER_LEAVES, equal=written())",
        "read_back = written()",
        f"{CRASHES}bytes_that_come_back_altered_are_an_alarm_and_never_named",
    ),
    Fault(
        "what the store says of its digest is not looked at",
        "archiver/sealing.py",
        "if stored.sha256 != sha256 or ",
        "if ",
        f"{CRASHES}a_store_that_says_another_digest_is_not_believed",
    ),
    Fault(
        "a lock may be as long as it likes",
        "archiver/sealing.py",
        "MAX_OVERSHOOT_DAYS: Final = 31",
        "MAX_OVERSHOOT_DAYS: Final = 31_000",
        f"{SEALING}a_lock_that_would_be_a_month_too_long_is_refused_before_anything_is_written",
    ),
    Fault(
        "a signature that does not hold is good enough",
        "archiver/dsse.py",
        "Ed25519PublicKey.from_public_bytes(public_key).verify(",
        "(lambda *_: None)(",
        f"{LIES}a_manifest_that_a_stranger_put_first_does_not_count_either",
    ),
    Fault(
        "a manifest may continue any chain",
        "archiver/catalog.py",
        "        if manifest.previous != self.head:\n            raise Tampered",
        "        if False:\n            raise Tampered",
        f"{LIES}a_signed_manifest_that_does_not_continue_the_chain_is_an_alarm",
    ),
    Fault(
        "the latest version of a manifest counts",
        "archiver/catalog.py",
        ".insert(0, version)",
        ".append(version)",
        f"{LIES}a_later_version_of_a_manifest_does_not_count",
    ),
    Fault(
        "a delete marker is taken for a manifest",
        "archiver/catalog.py",
        "if number is not None and not version.is_delete_marker:",
        "if number is not None:",
        f"{LIES}a_delete_marker_is_no_manifest",
    ),
    Fault(
        "a store may be rolled back",
        "archiver/known.py",
        "if self.through >= catalog.next_number:",
        "if self.through < 0:",
        f"{LIES}a_store_that_was_rolled_back_is_an_alarm",
    ),
    Fault(
        "an older entry answers for a known order",
        "archiver/known.py",
        "in reversed(list(enumerate(self._files))):",
        "in list(enumerate(self._files)):",
        "tests/test_known.py::test_the_latest_entry_of_a_token_answers",
    ),
    Fault(
        "keys without a lock are used",
        "archiver/archive.py",
        "if locked < until:",
        "if not locked:",
        f"{FOUNDING}a_cohorts_keys_that_are_not_locked_get_nothing_sealed_to_them",
    ),
    Fault(
        "a fence decides on a number twice",
        "archiver/state/fence.py",
        "            if row.number != number - 1:",
        "            if row.number is None:",
        f"{FENCE}a_number_is_decided_once",
    ),
    Fault(
        "a run that was overtaken may decide",
        "archiver/state/fence.py",
        "or row.token != self._token:",
        "or row.token == -1:",
        f"{FENCE}who_has_been_overtaken_can_decide_nothing",
    ),
    Fault(
        "what a dead run had decided is not sent",
        "archiver/catalog.py",
        "        manifest = self.claimed(claim)\n",
        "        manifest = None\n",
        f"{FENCED}what_a_dead_run_had_claimed_is_sent_by_the_next_on_another_host",
    ),
    Fault(
        "a manifest is sent before it is decided on",
        "archiver/catalog.py",
        "            self.fence.claim(manifest.number, content)\n",
        "            self._store(manifest, content)\n",
        f"{FENCED}a_run_that_stood_still_while_another_sealed_everything_seals_nothing_twice",
    ),
    Fault(
        "a clock is looked at once",
        "archiver/archive.py",
        "        clock=watched,\n",
        "        clock=clock,\n",
        f"{CLOCKS}a_clock_that_steps_in_the_night_seals_no_open_day_and_locks_nothing_too_short",
    ),
    Fault(
        "what a running night has stored is an orphan",
        "archiver/orphans.py",
        "age > SETTLED",
        "age >= timedelta(0)",
        "tests/test_orphans.py::test_what_a_dead_night_had_stored_is_recent_first_and_an_orphan_"
        "half_a_day_later",
    ),
    Fault(
        "a number that is taken is taken again",
        "archiver/stores/memory.py",
        "            if latest.content != content:\n",
        "            if latest.content != content and not key.startswith('manifests/'):\n",
        f"{CRASHES}of_two_runs_at_once_one_seals_and_the_other_hears_of_it",
    ),
    Fault(
        "the last code's step is not kept",
        "archiver/operators/logins.py",
        ".values(totp_step=step)",
        ".values(totp_step=0)",
        "tests/operators/test_logins.py::test_a_code_works_once_for_one_step_to_either_side",
    ),
    Fault(
        "one's own request can be granted",
        "archiver/policy.py",
        "return not own and kind in APPROVALS",
        "return kind in APPROVALS",
        "tests/operators/test_approvals.py::test_nobody_grants_his_own_request",
    ),
    Fault(
        "entries that name another one before are taken for whole",
        "archiver/access_log/verify.py",
        "and chained.previous != previous:",
        "and False:",
        "tests/access_log/test_parts.py::test_an_entry_left_out_with_all_behind_it_renumbered_is_told",
    ),
)


@pytest.mark.planted
@pytest.mark.parametrize("fault", of_today(FAULTS), ids=str)
def test_a_planted_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    require_noticed(fault, tmp_path)
