"""`rebuild-index` and `update-index`: what they tell, and what they ask for."""

from tests.cli.conftest import Terminal


def test_an_index_is_built_updated_and_told_of(founded: Terminal) -> None:
    founded.shop(orders=40, days=2)
    founded.json("nightly")
    built = founded.json("update-index")
    assert built.exit == 0
    assert (built.document["manifest"], built.document["manifests_read"]) == (2, 2)
    assert built.document["tokens"] > built.document["orders"] > 20
    assert built.document["lacking"] == []
    again = founded.json("update-index").document
    assert (again["manifests_read"], again["tokens"]) == (0, built.document["tokens"])
    anew = founded.json("rebuild-index", "--deep", "--cards").document
    assert (anew["manifests_read"], anew["tokens"]) == (2, built.document["tokens"])
    shown = founded.archiver("update-index", lang="zh_CN.UTF-8")
    assert "没有新内容" in shown.out
    assert "up to manifest 2" in founded.archiver("rebuild-index").out


def test_what_cannot_be_done_is_said(founded: Terminal) -> None:
    assert founded.json("rebuild-index", "--cards").exit == 2
    (founded.folder / "root.key").unlink()
    ran = founded.json("rebuild-index")
    assert (ran.exit, ran.codes) == (2, ["key-unavailable"])
