"""An order as a role may see it, ready for JSON and for a screen.

Responsible for walking the decrypted row and asking `policy` about every leaf: what is hidden is
left out, what is masked is replaced. Pure. Card secrets are never in the row (`opening`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from archiver import masking, policy
from archiver.masking import Personal
from archiver.policy import Role, Visibility

Shown = dict[str, Any]

_MASKS: Final = {
    policy.Kind.CONTACT: Personal.CONTACT,
    policy.Kind.ACCOUNT: Personal.ACCOUNT,
    policy.Kind.ADDRESS: Personal.ADDRESS,
    policy.Kind.TEXT: Personal.TEXT,
}


def shown(order: Mapping[str, Any], role: Role) -> Shown:
    """Return what a role sees of an order.

    Amounts and instants become text, bytes hexadecimal; a leaf that is hidden is not there, not
    even as null.
    """
    return {
        name: value for name, inner in order.items() if (value := _seen(inner, name, role)) != ()
    }


def _seen(value: Any, path: str, role: Role) -> Any:  # noqa: ANN401  whatever a row holds
    """Return a value as it is seen; the empty tuple, which no row holds, for a hidden one."""
    if isinstance(value, Mapping):
        below = {name: _seen(inner, f"{path}.{name}", role) for name, inner in value.items()}
        return {name: inner for name, inner in below.items() if inner != ()}
    if isinstance(value, list):
        return [_seen(one, path, role) for one in value]
    if policy.kind_of(path) is None and any(name.startswith(f"{path}.") for name in policy.FIELDS):
        return value  # a list or struct that is null
    match policy.visibility(role, path):
        case Visibility.WHOLE:
            return plain(value)
        case Visibility.MASKED:
            kind = policy.kind_of(path)
            text = None if value is None else str(value)
            return masking.mask(_MASKS[kind], text) if kind in _MASKS else masking.MASK
        case Visibility.HIDDEN:
            return ()


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return a leaf's value as JSON has it."""
    match value:
        case datetime():
            return instant(value)
        case Decimal():
            return str(value)
        case bytes():
            return value.hex()
        case _:
            return value


def instant(at: datetime) -> str:
    """Return an instant as answers show it: UTC, as short as it is exact."""
    text = at.astimezone(UTC).isoformat(timespec="microseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")
