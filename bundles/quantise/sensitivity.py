"""Which layers suffer most from INT8, found by giving them back their floating point."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bundles.quantise.units import Unit

Measure = Callable[[Sequence[Unit]], float]
"""The signal-to-noise ratio in dB with these units in floating point and all others in INT8."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """When the scan is content, and when it gives up."""

    wanted_db: float
    """No more layers are kept once the signal-to-noise ratio is that good."""
    most_work: float
    """Share of the quantised layers' multiplications that may be kept, 0 to 1."""
    measurements: int
    """How often it may measure."""


@dataclass(order=True, slots=True)
class _Range:
    """Neighbouring units and what they bring, the most first when sorted."""

    order: float
    units: tuple[Unit, ...] = field(compare=False)
    relief: float = field(compare=False)
    """How much of the noise's power goes when these leave INT8; the signal's power is 1."""

    @property
    def work(self) -> int:
        return sum(unit.work for unit in self.units)


def find_sensitive(units: Sequence[Unit], measure: Measure, limits: Limits) -> tuple[Unit, ...]:
    """Choose the units to keep in floating point.

    The noise of different layers is nearly independent, so what one range of layers brings is
    measured alone, all others in INT8: at first equal ranges of the graph, then halves of the
    range that brought most, until units are reached or half of the measurements are used. Then
    the ranges are kept one after another, the most relief for its work first.

    Returns:
        Possibly none: when the noise is small enough already, or nothing fits.
    """
    noise = _power(measure(()))
    if not units or noise <= _power(limits.wanted_db):
        return ()
    ranges = _scan(units, measure, noise, most=limits.measurements // 2)
    room = limits.most_work * sum(unit.work for unit in units)
    left = limits.measurements - limits.measurements // 2 - 1
    kept: tuple[Unit, ...] = ()
    for candidate in sorted(ranges, key=lambda r: -r.relief / max(r.work, 1)):
        if not left or noise <= _power(limits.wanted_db):
            break
        if candidate.relief <= 0 or candidate.work > room:
            continue
        left -= 1
        reached = _power(measure((*kept, *candidate.units)))
        if reached < noise:
            kept, noise, room = (*kept, *candidate.units), reached, room - candidate.work
    return kept


def _scan(units: Sequence[Unit], measure: Measure, noise: float, *, most: int) -> list[_Range]:
    def weigh(part: Sequence[Unit]) -> _Range:
        relief = noise - _power(measure(part))
        # Single units cannot be divided; they wait at the end.
        return _Range(-relief if len(part) > 1 else float("inf"), tuple(part), relief)

    count = min(len(units), max(1, most // 2) if len(units) > most else len(units))
    bounds = [len(units) * number // count for number in range(count + 1)]
    ranges = [weigh(units[low:high]) for low, high in pairwise(bounds)]
    heapq.heapify(ranges)
    left = most - count
    while left >= 2 and len(ranges[0].units) > 1:
        whole = heapq.heappop(ranges).units
        for part in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
            heapq.heappush(ranges, weigh(part))
            left -= 1
    return ranges


def _power(decibels: float) -> float:
    return float(10 ** (-decibels / 10))
