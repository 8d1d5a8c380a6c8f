"""`archiver source retire`, as people see it; what it does is told by tests/test_retirement.py."""

from pathlib import Path

from tests.cli.conftest import Terminal

RETIRE = ("source", "retire", "main", "--successor", "new")


def test_retiring_says_what_was_recorded_in_both_languages(founded: Terminal) -> None:
    founded.shop(orders=20, days=2)
    founded.archiver("nightly")
    refused = founded.json(*RETIRE)
    assert (refused.exit, refused.codes) == (2, ["request"])
    founded.configure(('name = "main"', 'name = "new"'))

    first = founded.archiver(*RETIRE)
    again = founded.archiver(*RETIRE, lang="zh_CN.UTF-8")

    assert (first.exit, again.exit) == (0, 0)
    assert "Source main is retired: new continues it." in first.out
    assert f"archiver nightly --config {founded.config}" in first.out
    assert "由 new 接替，未作更改" in again.out
    night = founded.json("nightly")
    assert sum(day["orders"] + day["revisions"] for day in night.document["days"]) == 0


def test_a_map_that_cannot_be_used_is_told_without_its_contents(
    founded: Terminal, tmp_path: Path
) -> None:
    id_map = tmp_path / "ids.csv"
    id_map.write_text("old,new\nCANARY,X,Y\n")
    ran = founded.json(*RETIRE, "--id-map", str(id_map))
    assert (ran.exit, ran.codes) == (2, ["request"])
    assert "CANARY" not in ran.out
