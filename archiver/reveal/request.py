"""What the revealing process is told: which row of which partition, and the base key of that."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class RevealRequest(BaseModel):
    """One order of one partition."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    config: str
    """The configuration file, absolute: the reveal root is named in it."""
    source: str
    order_id: str
    revision: int
    key: str
    version_id: str
    footer_sha256: str
    cohort: str
    row_group: int
    row: int
    first_row: int
    """Place of the row group's first row in the partition."""
    base_kek: str = Field(repr=False)
    """Opened, hexadecimal: it goes through a pipe and is of this partition only."""
    reveal_kek: str
    """Sealed to the cohort, base64."""
    for_proof: bool = False
    """All leaves under the reveal key with their salt, as a proof shows them (FORMAT.md 5)."""


REQUEST: Final = TypeAdapter(RevealRequest)
