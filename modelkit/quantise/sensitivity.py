"""Which layers suffer most from INT8, found by giving them back their floating point."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelkit.quantise.units import Unit

Measure = Callable[[Sequence[Unit]], float]
"""The signal-to-noise ratio in dB with these units in floating point and all others in INT8."""

SCAN_SHARE = 0.7
"""Of the measurements, for finding out what single groups bring; the rest puts them together."""

LEAST_RELIEF = 0.005
"""Share of the noise below which relief cannot be told from chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """When the scan is content, and when it gives up."""

    wanted_db: float
    """No more layers are kept once the signal-to-noise ratio is that good."""
    most_work: float
    """Share of the quantised layers' multiplications that may be kept, 0 to 1."""
    measurements: int
    """How often it may measure; 0 for no scan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    """Units that are measured together."""

    units: tuple[Unit, ...]
    relief: float
    """How much of the noise's power goes when these leave INT8; the signal's power is 1."""

    @property
    def work(self) -> int:
        return sum(unit.work for unit in self.units)


def find_sensitive(units: Sequence[Unit], measure: Measure, limits: Limits) -> tuple[Unit, ...]:
    """Choose the units to keep in floating point.

    The noise of different layers is nearly independent, so what a group of layers brings is
    measured alone, all others in INT8. Layers of the same role (all second linear layers of the
    feed-forward blocks, say) behave alike and are the first groups; then the group that brought
    most is halved, again and again, as far as the measurements reach. Then groups are kept one
    after another, the most relief for its work first, as long as the noise shrinks.

    Returns:
        Possibly none: when the noise is small enough already, or nothing fits.
    """
    if not units or not limits.measurements:
        return ()
    noise = _power(measure(()))
    wanted = _power(limits.wanted_db)
    if noise <= wanted:
        return ()
    scanning = max(1, int(limits.measurements * SCAN_SHARE))
    groups, used = _scan(units, measure, noise, scanning)
    left = limits.measurements - 1 - used
    room = limits.most_work * sum(unit.work for unit in units)
    kept: tuple[Unit, ...] = ()
    for group in sorted(groups, key=lambda group: -group.relief / max(group.work, 1)):
        if not left or noise <= wanted:
            break
        if group.work > room or group.relief < LEAST_RELIEF * noise:
            continue
        left -= 1
        reached = _power(measure((*kept, *group.units)))
        if reached < noise:
            kept, noise, room = (*kept, *group.units), reached, room - group.work
    return kept


def role(unit: Unit) -> str:
    """Name what a unit does, the same for all blocks: "attn1.to_q", "ff.net.2", "conv_in"."""
    module = unit.layers[0].split("/")[0]
    steps = [step for step in module.split(".") if step]
    words = [step for step in steps if not step.isdigit()]
    return ".".join(words[-2:] + steps[-1:] * steps[-1].isdigit())


def _scan(
    units: Sequence[Unit], measure: Measure, noise: float, most: int
) -> tuple[list[_Group], int]:
    """Measure groups, at most `most`; return them with the number of measurements."""

    def weigh(part: Sequence[Unit]) -> _Group:
        return _Group(units=tuple(part), relief=noise - _power(measure(part)))

    groups = [weigh(part) for part in _first_groups(units, most)]
    used = len(groups)
    while used + 2 <= most:
        divisible = [group for group in groups if len(group.units) > 1]
        if not divisible:
            break
        whole = max(divisible, key=lambda group: group.relief)
        middle = len(whole.units) // 2
        groups.remove(whole)
        groups += [weigh(whole.units[:middle]), weigh(whole.units[middle:])]
        used += 2
    return groups, used


def _first_groups(units: Sequence[Unit], most: int) -> list[list[Unit]]:
    """Divide by single unit if there are few, else by role; in equal parts if there are many."""
    if len(units) <= most:
        return [[unit] for unit in units]
    roles: dict[str, list[Unit]] = {}
    for unit in units:
        roles.setdefault(role(unit), []).append(unit)
    groups = list(roles.values())
    if len(groups) <= most:
        return groups
    return [list(units[start::most]) for start in range(most)]


def _power(decibels: float) -> float:
    return float(10 ** (-decibels / 10))
