"""Small plots: values into coordinates of an SVG that is as wide as its place on the page."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from swpt_accounts.operators.inspection.activity import Rate
from swpt_accounts.operators.inspection.ledger import PastPrincipal
from swpt_accounts.wire.moments import Moment

WIDTH: Final = 600.0
HEIGHT: Final = 120.0

_Height: TypeAlias = Callable[[int], float]


class Bar(msgspec.Struct, frozen=True):
    """A bar, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    rate: Rate


class Bars(msgspec.Struct, frozen=True):
    """A plot of rates.  `total` is what all of them amount to."""

    bars: list[Bar]
    most: int
    total: int
    is_estimated: bool
    begins_at: Moment


class Line(msgspec.Struct, frozen=True):
    """A plot of a balance: steps, because a balance jumps.  `zero` is the height of 0."""

    steps: str
    area: str
    least: int
    most: int
    zero: float
    begins_at: Moment
    ends_at: Moment


def bars(rates: Sequence[Rate]) -> Bars:
    """Rates, one beside the other, oldest first."""
    most = max(rate.number for rate in rates)
    step = WIDTH / len(rates)
    drawn = []
    for place, rate in enumerate(rates):
        height = HEIGHT * rate.number / most if most else 0.0
        # The smallest number is still something.
        height = max(height, 2.0) if rate.number else 0.0
        drawn.append(Bar(_short(place * step + 1), _short(HEIGHT - height), step - 2, _short(height), rate))
    total = sum(rate.number for rate in rates)
    return Bars(drawn, most, total, any(rate.is_estimated for rate in rates), rates[0].at)


def line(points: Sequence[PastPrincipal]) -> Line | None:
    """A balance over time; None if nobody knows any of its values."""
    values = [point.principal for point in points if point.principal is not None]
    if not values:
        return None
    least, most = min(0, *values), max(0, *values)
    span = (most - least) or 1

    def height(value: int) -> float:
        # Whole numbers are divided exactly, however large they are.
        return _short(HEIGHT * ((most - value) / span))

    zero = height(0)
    steps: list[str] = []
    area: list[str] = []
    for run in _runs(points):
        path = _steps(run, len(points), height)
        steps.append("M" + path)
        first, last = run[0][0], run[-1][0]
        area.append(f"M{_x(first, len(points))},{zero}L{path}V{zero}Z" if last > first else "")
    return Line(" ".join(steps), " ".join(area), least, most, zero, points[0].at, points[-1].at)


def _runs(points: Sequence[PastPrincipal]) -> list[list[tuple[int, int]]]:
    """The parts of a plot without gaps: places and values."""
    runs: list[list[tuple[int, int]]] = [[]]
    for place, point in enumerate(points):
        if point.principal is not None:
            runs[-1].append((place, point.principal))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _steps(run: Sequence[tuple[int, int]], number: int, height: _Height) -> str:
    place, value = run[0]
    drawn = [f"{_x(place, number)},{height(value)}"]
    for place, value in run[1:]:
        drawn.append(f"H{_x(place, number)}V{height(value)}")
    if len(run) == 1:
        drawn.append("h1")
    return "".join(drawn)


def _x(place: int, number: int) -> float:
    return _short(WIDTH * place / (number - 1))


def _short(coordinate: float) -> float:
    return round(coordinate, 2)
