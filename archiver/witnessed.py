"""Who holds which checkpoint, as JSON: of a command's report, and of the service. Pure."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from archiver.errors import Said

if TYPE_CHECKING:
    # Where nobody is told, `status` must not wait for what asks witnesses.
    from archiver.spreading import Spread


def witness_fields(found: "Spread | None", language: str) -> dict[str, Any]:
    """Return `witnesses` and `timestamps` of a report."""
    if found is None:
        return {"witnesses": [], "timestamps": []}
    return {
        "witnesses": [
            {
                "name": one.witness,
                "checkpoint": one.size or None,
                "confirmed_at": _instant(one.confirmed_at),
                "behind_since": _instant(one.behind_since),
                "reason": _said(one.reason, language) or None,
            }
            for one in found.holdings
        ],
        "timestamps": [
            {
                "name": one.authority,
                "checkpoint": one.size or None,
                "stamped_at": _instant(one.stamped_at),
                "waiting": one.waiting,
                "behind_since": _instant(one.behind_since),
                "reason": _said(one.reason, language) or None,
            }
            for one in found.stamps
        ],
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _said(reason: Said | None, language: str) -> str:
    if reason is None:
        return ""
    return reason.zh if language == "zh" else reason.en
