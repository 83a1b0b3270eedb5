"""Requests as a shop sends them: a catalogue's products, popular and not, again and again."""

import bisect
import itertools
import random
from collections.abc import Hashable, Sequence
from heapq import heappop, heappush

from core.eviction import BoundedMap, Policy

COLOURS, BACKGROUNDS = 5, 2
"""Of each product: a shop shows every colour, some of them on a second background."""

Key = Hashable


def make_trace(*, requests: int, products: int, exponent: float, seed: int) -> list[Key]:
    """Draw requests by Zipf's law over products, with their variants in a catalogue's proportions.

    A product's rank r is asked for in proportion to r^-exponent. Each request then takes a colour
    and a background, the first of each more often: what a shop shows in its lists.

    Returns:
        (product, colour, background) of each request, in order.
    """
    chance = random.Random(seed)
    popularity = _cumulated(products, exponent)
    colours, backgrounds = _cumulated(COLOURS, 1.0), _cumulated(BACKGROUNDS, 1.0)
    # The most popular product is not the first that was made.
    names = list(range(products))
    chance.shuffle(names)
    return [
        (names[_draw(chance, popularity)], _draw(chance, colours), _draw(chance, backgrounds))
        for _ in range(requests)
    ]


def _cumulated(number: int, exponent: float) -> list[float]:
    return list(itertools.accumulate((rank + 1) ** -exponent for rank in range(number)))


def _draw(chance: random.Random, cumulated: Sequence[float]) -> int:
    return bisect.bisect(cumulated, chance.random() * cumulated[-1])


def hit_rate(trace: Sequence[Key], policy: Policy, *, entries: int, seed: int = 0) -> float:
    """Replay a trace through the product's own map, images of one size."""
    cache: BoundedMap[Key, bool] = BoundedMap(
        policy=policy,
        max_bytes=entries,
        max_entries=entries,
        chance=random.Random(seed),
    )
    hits = 0
    for key in trace:
        if cache.get(key):
            hits += 1
        else:
            cache.put(key, True, size=1)
    return hits / len(trace)


def optimal_hit_rate(trace: Sequence[Key], *, entries: int) -> float:
    """Replay a trace with Belady's policy, which knows the future: what is needed last leaves.

    Source: Belady 1966, "A study of replacement algorithms for a virtual-storage computer". What
    is not needed again before everything that is held is not kept at all, as a cache of results
    may do.
    """
    following = _following(trace)
    held: dict[Key, int] = {}
    last_needed: list[tuple[int, int, Key]] = []
    hits = 0
    for place, key in enumerate(trace):
        hits += key in held
        held[key] = following[place]
        # Ordered by the place where it is needed next, the farthest first.
        heappush(last_needed, (-following[place], place, key))
        while len(held) > entries:
            needed, _, candidate = heappop(last_needed)
            # Entries of the heap that were used since are outdated.
            if held.get(candidate) == -needed:
                del held[candidate]
    return hits / len(trace)


def _following(trace: Sequence[Key]) -> list[int]:
    """Give, for each request, the place of the next one for the same thing."""
    places: dict[Key, int] = {}
    following = [0] * len(trace)
    for place in range(len(trace) - 1, -1, -1):
        following[place] = places.get(trace[place], len(trace))
        places[trace[place]] = place
    return following
