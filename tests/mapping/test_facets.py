"""What must stay as it is once an order has ended is told from what may go on."""

import pytest

from archiver.mapping.facets import facet_columns
from archiver.sources.mappings import load_mapping

MAY_GO_ON = {
    "dujiaoka": {"status", "updated_at", "coupon_ret_back", "deleted_at"},
    "acg-faka": {"state", "race", "rebate", "divide_amount", "premium", "cost"},
    "card-system": {"status", "updated_at", "frozen_reason", "remark", "sms_price", "system_fee"},
}
GOODS = {
    "dujiaoka": {"info", "type"},
    "acg-faka": {"secret", "card_id", "request_no", "widget"},
    "card-system": {"contact_ext"},
}


@pytest.mark.parametrize("preset", MAY_GO_ON)
def test_every_column_of_a_preset_is_of_the_sale_of_the_goods_or_may_go_on(preset: str) -> None:
    mapping = load_mapping(preset, {})
    facets = facet_columns(mapping)
    assert set(facets["goods"]) == GOODS[preset]
    fixed = {*facets["sale"], *facets["goods"]}
    assert set(mapping.own_columns) - fixed == MAY_GO_ON[preset]


@pytest.mark.parametrize("preset", MAY_GO_ON)
def test_no_looked_up_name_is_part_of_a_facet(preset: str) -> None:
    mapping = load_mapping(preset, {})
    fixed = {name for columns in facet_columns(mapping).values() for name in columns}
    assert not fixed & mapping.lookup_columns
