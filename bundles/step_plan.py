"""Which variant of the UNet runs at which step: pure arithmetic over what a manifest says.

A bundle that keeps features between steps has several compiled graphs of its UNet. The full one
comes first and computes everything; the others take some features from an earlier step. A *step
plan* names, for each UNet call of a picture, the variant that runs, as a place in `variants`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from bundles.manifest import BlockCache, DeepCache, FeatureVariant

FULL = 0
"""The place of the variant that computes everything."""

LEAST_STEPS = 10
"""Pictures of fewer steps change too much from one to the next: each of theirs is full."""

CENTRE, POWER = 0.3, 1.4
"""Where full steps are closest, as a share of the schedule, and how much closer (Ma et al. 2023,
section 4.3: 15 of 50 steps, and 1.2 to 1.6)."""

StepPlan = tuple[int, ...]


def step_plan(caching: DeepCache | BlockCache, calls: int) -> StepPlan:
    """Return the variant of each of a picture's UNet calls; the first one is always full.

    Args:
        caching: The bundle's.
        calls: How often the UNet runs for the picture.
    """
    if calls < LEAST_STEPS:
        return (FULL,) * calls
    if isinstance(caching, BlockCache):
        return tuple(_while_unchanged(caching, calls))
    full = set(full_steps(caching, calls))
    return tuple(FULL if call in full else FULL + 1 for call in range(calls))


def full_steps(caching: DeepCache, calls: int) -> list[int]:
    """Return the calls at which DeepCache's deep part runs, ascending, 0 the first."""
    uniform = list(range(0, calls, caching.interval))
    if caching.schedule == "uniform":
        return uniform
    return _centred(calls, len(uniform))


def _centred(calls: int, count: int) -> list[int]:
    """Spread `count` full steps with powers of the distance to a centre (Ma et al. 2023, eq. 10).

    A smaller power where the paper's would make two of them one.
    """
    centre = CENTRE * calls
    power = POWER
    while power > 1:
        low, high = _root(-centre, power), _root(calls - centre, power)
        places = [low + (high - low) * part / count for part in range(count)]
        found = sorted({max(0, int(centre + _signed_power(place, power))) for place in places})
        if len(found) == count:
            return [0, *found[1:]]
        power -= 0.02
    return [part * calls // count for part in range(count)]


def _root(value: float, power: float) -> float:
    return _signed_power(value, 1 / power)


def _signed_power(value: float, power: float) -> float:
    return math.copysign(abs(value) ** power, value)


def _while_unchanged(caching: BlockCache, calls: int) -> Iterator[int]:
    """Choose for each call the variant that saves most of those whose features are fresh enough."""
    changes = {name: _stretched(curve, calls) for name, curve in caching.changes.items()}
    yield from choose_variants(caching.variants, changes, caching.threshold)


def choose_variants(
    variants: Sequence[FeatureVariant], changes: Mapping[str, Sequence[float]], threshold: float
) -> StepPlan:
    """Run each call's cheapest variant that takes no feature which changed by more than allowed.

    Args:
        variants: The full one first.
        changes: Of each feature, added up from the first call to each one.
        threshold: How much change since a feature was computed is borne (Wimbauer et al.'s delta).
    """
    calls = len(next(iter(changes.values())))
    cheapest_first = sorted(range(len(variants)), key=lambda place: (variants[place].work, -place))
    computed_at = dict.fromkeys(changes, 0)
    plan = []
    for call in range(calls):
        chosen = FULL
        for place in cheapest_first if call else ():
            if all(
                changes[name][call] - changes[name][computed_at[name]] <= threshold
                for name in variants[place].takes
            ):
                chosen = place
                break
        for name in set(changes) - set(variants[chosen].takes):
            computed_at[name] = call
        plan.append(chosen)
    return tuple(plan)


def _stretched(curve: Sequence[float], calls: int) -> list[float]:
    """Read a curve at another number of places between its first and its last, both kept."""
    found = []
    for call in range(calls):
        place = call * (len(curve) - 1) / (calls - 1)
        before = min(int(place), len(curve) - 2)
        rest = place - before
        found.append(curve[before] * (1 - rest) + curve[before + 1] * rest)
    return found


def sources(caching: DeepCache | BlockCache, plan: StepPlan) -> list[dict[str, int]]:
    """Return, for each call of a plan, the call that computed each feature which it takes."""
    computed_at: dict[str, int] = {}
    found = []
    for call, place in enumerate(plan):
        variant = caching.variants[place]
        found.append({name: computed_at[name] for name in variant.takes})
        computed_at.update(dict.fromkeys(variant.leaves, call))
    return found


def kept_after(caching: DeepCache | BlockCache, plan: StepPlan) -> list[frozenset[str]]:
    """Return, for each call of a plan, the features that are of use after it."""
    wanted: list[frozenset[str]] = [frozenset()]
    for place in reversed(plan[1:]):
        variant = caching.variants[place]
        wanted.append((wanted[-1] - set(variant.leaves)) | set(variant.takes))
    return wanted[::-1]


def work(caching: DeepCache | BlockCache, plan: StepPlan) -> float:
    """Return what a plan's calls cost, in full calls."""
    return sum(caching.variants[place].work for place in plan)
