"""What the reading process is asked arrives as it was said."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from archiver.ports import Window
from archiver.sources.database import DatabaseSource
from archiver.sources.mappings import load_mapping
from archiver.sources.plan import Request, decoded, encoded

SPAN = Window(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 3, 8, tzinfo=UTC))


@pytest.mark.parametrize("preset", ["dujiaoka", "acg-faka", "card-system"])
def test_a_request_comes_out_of_its_line_as_it_went_in(preset: str) -> None:
    mapping = load_mapping(preset, {})
    source = DatabaseSource("main", "mysql://reader@127.0.0.1/shop", None, mapping)
    for plan in (
        source._plan(SPAN, SPAN, None),
        source._plan(None, None, 100),
        source._census_plan(SPAN, SPAN),
        replace(source._plan(None, None, None), keys=("00ff", "")),
    ):
        request = Request(task="pages", url="mysql://x", plan=plan, password='卡密\n"canary')
        line = encoded(request)
        assert line.count(b"\n") == 1
        assert decoded(line) == request
