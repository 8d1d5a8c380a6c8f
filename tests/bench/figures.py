"""A figure, its target, and the table that shows them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value."""

    benchmark: str
    what: str
    value: float
    unit: str
    """`×` for a ratio."""
    target: float | None = None
    """None where the value only explains another one."""
    sense: Literal["at least", "at most"] = "at most"

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        if self.sense == "at least":
            return self.value >= self.target
        return self.value <= self.target

    def as_json(self) -> dict[str, Any]:
        """Return it for a machine."""
        return {**asdict(self), "holds": self.holds}


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the median of the ratios of neighbouring runs: load that comes and goes hits both."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def show(figures: Iterable[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(title="archiver: speed and memory", title_justify="left")
    table.add_column("benchmark", style="bold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    before = ""
    for figure in figures:
        if before and figure.benchmark != before:
            table.add_section()
        name = "" if figure.benchmark == before else figure.benchmark
        before = figure.benchmark
        table.add_row(name, figure.what, _value(figure.value, figure.unit), *_verdict(figure))
    console.print(table)


def _value(value: float, unit: str) -> str:
    if unit in {"PUTs", "rows/s", "tokens/s", "MB", "bytes/order"}:
        return f"{value:,.0f} {unit}"
    return f"{value:.3g} {unit}" if value < 1 else f"{value:.2f} {unit}"


def _verdict(figure: Figure) -> tuple[str, Text]:
    if figure.target is None:
        return "", Text()
    sign = "≥" if figure.sense == "at least" else "≤"
    mark = Text("pass", "green") if figure.holds else Text("FAIL", "bold red")
    return f"{sign} {figure.target:g} {figure.unit}", mark
