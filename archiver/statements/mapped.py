"""Any other CSV, by a mapping: which column is what, and what its words mean.

The mapping is TOML:

    name = "bank"
    zone = "Asia/Shanghai"
    currency = "CNY"
    methods = ["银行卡"]        # payment methods, as sealed, that this statement covers
    footer = ["合计"]           # the first cell of a line that ends the table
    [columns]
    provider_no = "流水号"
    merchant_no = "订单号"
    amount = "金额"
    time = "时间"
    kind = "类型"
    [kinds]
    payment = ["收款"]
    refund = ["退款"]
    other = ["手续费"]

Without `kind`, amounts above zero are payments and amounts below are refunds. A word that the
mapping does not name makes a line broken: nothing is guessed.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from archiver.complaints import complaints
from archiver.errors import ConfigurationError, Said
from archiver.statements.model import BrokenLineError, Entry, Kind
from archiver.statements.text import (
    cleaned,
    column_name,
    parse_amount,
    parse_number,
    parse_time,
)

_Word = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Part):
    """Names of columns, as the header row has them."""

    time: _Word
    amount: _Word
    provider_no: _Word | None = None
    merchant_no: _Word | None = None
    refund_no: _Word | None = None
    kind: _Word | None = None
    state: _Word | None = None
    account: _Word | None = None

    @model_validator(mode="after")
    def _numbers(self) -> "Columns":
        if self.provider_no is None and self.merchant_no is None:
            message = Said(
                "provider_no or merchant_no is needed", "须有 provider_no 或 merchant_no"
            )
            raise ValueError(message)
        return self


class Kinds(_Part):
    """Words in the column `kind`."""

    payment: tuple[_Word, ...] = ()
    refund: tuple[_Word, ...] = ()
    other: tuple[_Word, ...] = ()


class States(_Part):
    """Words in the column `state`: rows that count, and rows that never happened."""

    counted: tuple[_Word, ...]
    ignored: tuple[_Word, ...] = ()


class StatementMapping(_Part):
    """A mapping file."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    columns: Columns
    zone: str = "Asia/Shanghai"
    """Of times that do not name theirs."""
    time_format: str | None = None
    """Of `strptime`, where times are written in a way of their own."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,5}$")] = "CNY"
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    kinds: Kinds = Kinds()
    states: States | None = None
    footer: tuple[_Word, ...] = ()
    methods: tuple[_Word, ...] = Field(default=())

    @field_validator("zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            message = Said(f"no time zone is called {name}", f"没有名为 {name} 的时区")
            raise ValueError(message) from None
        return name

    @model_validator(mode="after")
    def _words(self) -> "StatementMapping":
        columns, kinds = self.columns, self.kinds
        if columns.kind is not None and not kinds.payment:
            message = Said(
                "[kinds] payment is needed where there is a column kind",
                "有 kind 列时须有 [kinds] payment",
            )
            raise ValueError(message)
        if (columns.state is None) != (self.states is None):
            message = Said(
                "a column state and [states] belong together", "state 列与 [states] 须同时给出"
            )
            raise ValueError(message)
        return self

    @property
    def required(self) -> frozenset[str]:
        """The columns without which a row is not the header."""
        return frozenset(
            column_name(name) for name in self.columns.model_dump().values() if name is not None
        )


def parse_statement_mapping(text: str) -> StatementMapping:
    """Return the mapping in a TOML text.

    Raises:
        ConfigurationError: It is no TOML, or says something unknown or contradictory.
    """
    try:
        return StatementMapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            detail=Said(
                f"the statement's mapping is no TOML: {error}", f"账单映射不是有效的 TOML：{error}"
            )
        ) from None
    except ValidationError as error:
        parts, said = complaints(error)[0]
        place = ".".join(str(part) for part in parts)
        raise ConfigurationError(
            detail=Said(
                f"the statement's mapping: {place} {said}".strip(),
                f"账单映射：{place} {said.zh}".strip(),
            )
        ) from None


class MappedTable:
    """A table that a mapping explains."""

    name: ClassVar[str] = "mapped"
    channel: ClassVar[str] = ""

    def __init__(self, mapping: StatementMapping, places: Mapping[str, int]) -> None:
        self._mapping = mapping
        self._zone: tzinfo = ZoneInfo(mapping.zone)
        self._places = {
            field: places[column_name(name)]
            for field, name in mapping.columns.model_dump().items()
            if name is not None
        }
        self._width = max(self._places.values()) + 1
        kinds = mapping.kinds
        self._kinds = {
            **dict.fromkeys(kinds.other, Kind.OTHER),
            **dict.fromkeys(kinds.refund, Kind.REFUND),
            **dict.fromkeys(kinds.payment, Kind.PAYMENT),
        }
        self.accounts: set[tuple[str, ...]] = set()

    def entry(self, line: int, cells: Sequence[str]) -> Entry:
        """Return a row as an entry."""
        if len(cells) < self._width:
            raise BrokenLineError("it has fewer cells than the header", "单元格少于表头")

        def cell(field: str) -> str:
            return cells[self._places[field]] if field in self._places else ""

        amount = parse_amount(cell("amount"))
        label = cleaned(cell("kind"))
        if self._mapping.columns.kind is None:
            kind = Kind.PAYMENT if amount > 0 else Kind.REFUND if amount < 0 else Kind.OTHER
        elif label in self._kinds:
            kind = self._kinds[label]
        else:
            raise BrokenLineError("the mapping does not know its kind", "映射不认识其种类")
        states = self._mapping.states
        if states is not None:
            state = cleaned(cell("state"))
            if state in states.ignored:
                kind, label = Kind.OTHER, state
            elif state not in states.counted:
                raise BrokenLineError("the mapping does not know its state", "映射不认识其状态")
        provider_no = parse_number(cell("provider_no"))
        merchant_no = parse_number(cell("merchant_no"))
        refund_no = parse_number(cell("refund_no"))
        own = provider_no or merchant_no
        if own is None and kind is not Kind.OTHER:
            raise BrokenLineError("it has no number", "没有单号")
        if account := parse_number(cell("account")):
            self.accounts.add((account,))
        refund = kind is Kind.REFUND
        return Entry(
            line=line,
            kind=kind,
            identity=f"{own}/{refund_no or line}" if refund else own or f"line {line}",
            amount=abs(amount),
            at=parse_time(cell("time"), self._zone, self._mapping.time_format),
            label=label,
            provider_no=provider_no,
            merchant_no=merchant_no,
            refund_no=refund_no if refund else None,
        )

    def begins_totals(self, cells: Sequence[str]) -> bool:
        """Say whether a word of `footer` ends the table here."""
        return cleaned(cells[0]) in self._mapping.footer

    def check_totals(self, cells: Sequence[str]) -> None:
        """Compare nothing: a mapping does not say what its footer means."""

    def check_remark(self, remark: str) -> bool:  # noqa: ARG002  the protocol's
        """Say that no remark states a total."""
        return False
