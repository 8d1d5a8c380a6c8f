"""Answers are whole at any moment, also while nights publish and the index is merged."""

from pathlib import Path

from tests.lookup.growing import ask_while_it_grows

DAYS, SHOPS = 4, 3


def test_questions_are_answered_rightly_while_nights_publish_and_after_rebuilding(
    tmp_path: Path,
) -> None:
    grown = ask_while_it_grows(tmp_path, orders=240, days=DAYS, questions=30, seed=5, pages=40)
    manifests = {manifest for manifest, _ in grown.states}
    assert max(manifests) == DAYS * SHOPS
    assert len(manifests) > 1
