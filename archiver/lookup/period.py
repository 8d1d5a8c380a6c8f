"""Why an order is kept until when: the articles and the arithmetic, step by step. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from archiver.errors import Said
from archiver.retention import LEGAL_ZONE, Rule, retain_until

KEEP: Final = Said(
    "E-Commerce Law Art. 31: at least three years from the completion of the transaction",
    "《电子商务法》第三十一条：自交易完成之日起不少于三年",
)
FIRST_DAY: Final = Said(
    "Civil Code Art. 201: the day itself is not counted", "《民法典》第二百零一条：当日不计入"
)
LAST_DAY: Final = Said(
    "Civil Code Art. 202: it ends on the corresponding day, or the month's last day",
    "《民法典》第二百零二条：到期月的对应日为期间最后一日，没有对应日的为月末日",
)
HOLIDAY: Final = Said(
    "Civil Code Art. 203: a holiday at the end moves it; the margin covers that",
    "《民法典》第二百零三条：末日为法定休假日的顺延；宽限天数涵盖此情形",
)
ERASE: Final = Said(
    "Personal Information Protection Law Art. 47: to be deleted when it is no longer due",
    "《个人信息保护法》第四十七条：保存期限届满应当主动删除",
)
ARTICLES: Final = (KEEP, FIRST_DAY, LAST_DAY, HOLIDAY, ERASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """An order's retention, step by step; days are of the legal zone."""

    ended_at: datetime | None
    """None while it is unfinished: its period has not begun."""
    basis: str | None
    rule: str
    """The mapping's, by which the end was found."""
    years: int
    margin_days: int
    ended_on: date | None
    last_day: date | None
    """The last day that the law counts."""
    margin_until: date | None
    """The last day of the margin."""
    free_at: datetime | None
    """The first instant at which this order, alone, may be destroyed."""
    locked_until: datetime
    """Of its partition, which takes the date of the order that is kept longest."""
    articles: Sequence[Said] = ARTICLES


def period_of(order: Mapping[str, Any], rule: Rule, locked_until: datetime) -> Period:
    """Return why an order is kept until when.

    Args:
        order: A row of ORDER_V1.
        rule: As the manifest states it that names the order.
        locked_until: Its partition's retain-until, from the manifest.
    """
    ended = order["completed_at"]
    on = last = margin_until = free = None
    if ended is not None:
        on = ended.astimezone(LEGAL_ZONE).date()
        bare = retain_until(ended, Rule(years=rule.years, margin=timedelta(0)))
        last = bare.astimezone(LEGAL_ZONE).date() - timedelta(days=1)
        free = retain_until(ended, rule)
        margin_until = free.astimezone(LEGAL_ZONE).date() - timedelta(days=1)
    return Period(
        ended_at=ended,
        basis=order["completed_basis"],
        rule=order["completion_rule"],
        years=rule.years,
        margin_days=rule.margin.days,
        ended_on=on,
        last_day=last,
        margin_until=margin_until,
        free_at=free,
        locked_until=locked_until,
    )
