"""What becomes of each attack on a store whose lock holds."""

from schemas.documents import LockAttack

REFUSED = (
    *("delete", "delete-bypass", "delete-many", "delete-many-bypass"),
    *("shorten", "shorten-bypass", "expire", "expire-bypass"),
    *("downgrade", "downgrade-bypass", "clear", "clear-bypass"),
)
HELD = {
    "put": "honoured",
    **dict.fromkeys(REFUSED, "refused-by-lock"),
    "overwrite": "survived",
    "delete-marker": "survived",
    "past-date": "refused-by-lock",
    "multipart": "honoured",
}
"""What an honest server does with each attack, in their order."""


def outcomes(attacks: list[LockAttack]) -> dict[str, str]:
    """Return the outcome of each attack, all of which are different."""
    assert len({one.attack for one in attacks}) == len(attacks)
    return {one.attack: one.outcome for one in attacks}
