"""Answers as JSON: the one shape in which commands and the service give them. Pure."""

from typing import Any

from archiver.lookup.answering import Answered
from archiver.lookup.finding import FoundOrder
from archiver.lookup.period import Period
from archiver.lookup.shown import instant, shown
from archiver.lookup.timeline import timeline
from archiver.policy import Role


def answer_fields(answered: Answered, role: Role) -> dict[str, Any]:
    """Return an answer as JSON (DESIGN 5): of a command with `--json`, and of the service."""
    coverage = answered.coverage
    return {
        "access": str(answered.record),
        "answer": answered.answer,
        "as_of": str(coverage.as_of) if coverage.as_of else None,
        "manifest": coverage.manifest,
        "days_covered": {
            one.source: {
                "first": str(one.first),
                "last": str(one.last),
                "missing": [str(day) for day in one.missing],
            }
            for one in coverage.sources
        },
        "days_unsealed": [str(day) for day in answered.unsealed],
        "orders": [order_fields(one, role) for one in answered.orders],
        "next": answered.next,
    }


def order_fields(found: FoundOrder, role: Role) -> dict[str, Any]:
    """Return an order as a role sees it, where it stands and what else is sealed of it."""
    place = found.hit.partition
    return {
        **shown(found.order, role),
        "timeline": [
            {
                "stage": stage.name,
                "at": instant(stage.at) if stage.at else None,
                "basis": stage.basis,
                "approximate": stage.approximate,
            }
            for stage in timeline(found.order)
        ],
        "history": [
            {
                "revision": hit.revision,
                "manifest": hit.partition.manifest,
                "day": str(hit.partition.day),
                "completed_at": instant(hit.completed_at) if hit.completed_at else None,
            }
            for hit in found.revisions
        ],
        "sealed": {
            "manifest": place.manifest,
            "day": str(place.day),
            "partition": place.key,
            "version_id": place.version_id,
        },
    }


def period_fields(period: Period, language: str) -> dict[str, Any]:
    """Return an order's retention, step by step, the articles in a language."""

    def day(value: object) -> str | None:
        return None if value is None else str(value)

    return {
        "ended_at": instant(period.ended_at) if period.ended_at else None,
        "basis": period.basis,
        "completion_rule": period.rule,
        "years": period.years,
        "margin_days": period.margin_days,
        "ended_on": day(period.ended_on),
        "last_day": day(period.last_day),
        "margin_until": day(period.margin_until),
        "free_at": instant(period.free_at) if period.free_at else None,
        "locked_until": instant(period.locked_until),
        "articles": [one.zh if language == "zh" else one.en for one in period.articles],
    }
