"""What a benchmark found: a table for people, JSON lines for scripts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import orjson
from rich.table import Table

Unit = Literal["ratio", "us", "ms", "s", "MB", "%", "1/s", "1"]

_COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("", "left"),
    ("case", "left"),
    ("what", "left"),
    ("median", "right"),
    ("range", "right"),
    ("target", "left"),
    ("", "left"),
)
_SUFFIXES = {"ratio": " x", "us": " µs", "ms": " ms", "s": " s", "MB": " MB", "%": " %"}


@dataclass(frozen=True, slots=True)
class Target:
    """What the median is hoped to be. Nothing fails when it is not: machines differ."""

    sign: Literal["<=", ">="]
    bound: float

    def met(self, value: float) -> bool:
        return value <= self.bound if self.sign == "<=" else value >= self.bound


def at_most(bound: float) -> Target:
    return Target("<=", bound)


def at_least(bound: float) -> Target:
    return Target(">=", bound)


@dataclass(frozen=True, slots=True)
class Result:
    """One number, once for each round. `what` names a ratio's two sides, or whose number it is."""

    row: str
    case: str
    what: str
    unit: Unit
    values: Sequence[float]
    target: Target | None = None

    @property
    def value(self) -> float:
        return median(self.values)

    def line(self) -> dict[str, Any]:
        line: dict[str, Any] = {
            "row": self.row,
            "case": self.case,
            "what": self.what,
            "unit": self.unit,
            "value": _rounded(self.value),
            "lowest": _rounded(min(self.values)),
            "highest": _rounded(max(self.values)),
            "rounds": len(self.values),
        }
        if self.target is not None:
            line["target"] = f"{self.target.sign} {self.target.bound:g}"
            line["met"] = self.target.met(self.value)
        return line


def ratios(
    row: str,
    case: str,
    what: str,
    over: Sequence[float],
    under: Sequence[float],
    target: Target | None = None,
) -> Result:
    """Divides round by round: what disturbs a round disturbs both of its sides."""
    values = [a / b for a, b in zip(over, under, strict=True)]
    return Result(row, case, what, "ratio", values, target)


def json_lines(results: Iterable[Result]) -> str:
    return b"\n".join(orjson.dumps(result.line()) for result in results).decode()


def markdown(results: Iterable[Result]) -> str:
    """The table of docs/benchmarks.md."""
    head = "| row | case | what | measured | range | target | |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(f"| {' | '.join(_cells(each))} |" for each in results)])


def _cells(result: Result) -> list[str]:
    line = result.line()
    return [
        result.row,
        result.case,
        result.what,
        f"{_shown(result.value)}{_SUFFIXES.get(result.unit, '')}",
        f"{_shown(min(result.values))} to {_shown(max(result.values))}",
        line.get("target", ""),
        {True: "met", False: "missed", None: ""}[line.get("met")],
    ]


def table(results: Iterable[Result]) -> Table:
    out = Table(box=None)
    for heading, justify in _COLUMNS:
        out.add_column(heading, justify=justify, no_wrap=True)
    for result in results:
        *cells, met = _cells(result)
        out.add_row(*cells, f"[bold]{met}[/bold]" if met == "missed" else met)
    return out


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _shown(value: float) -> str:
    return f"{_rounded(value):,.15g}"
