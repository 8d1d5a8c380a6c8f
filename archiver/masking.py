"""What may be shown of a card secret to somebody who may not see it.

Pure. A hint helps a buyer and the support staff to agree on a card; it must not help anybody
to guess it, so it never shows more than a quarter of the secret.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

HINT_CHARACTERS: Final = 4
"""At most; the last ones, as people read card numbers out."""
HINT_SHARE: Final = 4
"""At most one character in so many."""
MASK: Final = "•••"
"""Of fixed width: a mask as long as the secret would tell its length."""


def hints(secrets: pa.Array) -> pa.Array:
    """Return the last characters of each secret: at most 4 and at most a quarter of it.

    Args:
        secrets: Array of text.

    Returns:
        Array of text; null where there is no secret, or one of fewer than four characters.
    """
    shown = pc.min_element_wise(pc.divide(pc.utf8_length(secrets), HINT_SHARE), HINT_CHARACTERS)
    lengths = [n for n in pc.unique(shown).to_pylist() if n]
    result = pa.nulls(len(secrets), pa.string())
    for length in lengths:
        ends = pc.utf8_slice_codeunits(secrets, -length, None)
        whole = len(lengths) == 1 and not shown.null_count and pc.min(shown).as_py() == length
        result = ends if whole else pc.if_else(pc.equal(shown, length), ends, result)
    return result


def masked(secret: str | None) -> str | None:
    """Return what stands for one secret in answers: its hint behind a mask of fixed width."""
    if secret is None:
        return None
    shown = min(len(secret) // HINT_SHARE, HINT_CHARACTERS)
    return MASK + (secret[-shown:] if shown else "")
