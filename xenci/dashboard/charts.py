"""The geometry of the drawings: where a line runs, where it is broken, and how high a bar is.

Drawn by the server as SVG, in a square of 1000 by 1000 that the page stretches. A gap in the data is a gap in the line;
a day between two gaps is a dot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xenci.rules.statistics import Day


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line with gaps."""

    #: the `d` of an SVG path
    path: str
    #: (x, y) of points without neighbours
    dots: tuple[tuple[float, float], ...]
    #: least and greatest value of the axis
    low: float
    high: float
    #: (y from 0 to 1000, label)
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a stacked bar; all in percent of the picture."""

    kind: str
    x: float
    width: float
    y: float
    height: float


def rate_curve(days: Sequence[Day]) -> Curve:
    """Return the line of the pass rate by day; the axis begins at 80 % if no rate is lower, else at 0."""
    rates = [None if day.counts.pass_rate is None else 100 * day.counts.pass_rate for day in days]
    known = [rate for rate in rates if rate is not None]
    low = 80.0 if known and min(known) >= 80 else 0.0
    return curve(rates, low=low, high=100.0, steps=2)


def curve(values: Sequence[float | None], *, low: float, high: float, steps: int) -> Curve:
    """Return the line through some values, evenly spaced."""
    step = 1000 / max(1, len(values) - 1)
    points = [
        None if value is None else (round(i * step, 1), round(1000 * (1 - (value - low) / (high - low)), 1))
        for i, value in enumerate(values)
    ]
    path: list[str] = []
    dots: list[tuple[float, float]] = []
    for i, point in enumerate(points):
        if point is None:
            continue
        before = points[i - 1] if i else None
        after = points[i + 1] if i + 1 < len(points) else None
        if before is None and after is None:
            dots.append(point)
        else:
            path.append(f"{'M' if before is None else 'L'}{point[0]:g} {point[1]:g}")
    ticks = [(round(1000 * i / steps, 1), f"{high - (high - low) * i / steps:g}") for i in range(steps + 1)]
    return Curve(path="".join(path), dots=tuple(dots), low=low, high=high, ticks=tuple(ticks))


def stacked(days: Sequence[Day]) -> tuple[int, list[Piece]]:
    """Return the greatest number of builds on a day, and the pieces of the bars: passed at the bottom."""
    most, pieces = bars([_parts(day) for day in days])
    return int(most), pieces


def bars(columns: Sequence[Sequence[tuple[str, float]]]) -> tuple[float, list[Piece]]:
    """Return the greatest sum of a column, and the pieces of the bars, the first of each column at the bottom."""
    most = max((sum(number for _, number in column) for column in columns), default=0)
    pieces: list[Piece] = []
    width = 100 / max(1, len(columns))
    for i, column in enumerate(columns):
        top = 100.0
        for kind, number in column:
            if not number:
                continue
            height = 100 * number / most
            top -= height
            pieces.append(
                Piece(
                    kind=kind,
                    x=round(i * width + width * 0.1, 3),
                    width=round(width * 0.8, 3),
                    y=round(top, 3),
                    height=round(height, 3),
                )
            )
    return most, pieces


def _parts(day: Day) -> list[tuple[str, float]]:
    counts = day.counts
    return [("passed", counts.passed), ("change", counts.change), ("infra", counts.infra), ("unknown", counts.unknown)]
