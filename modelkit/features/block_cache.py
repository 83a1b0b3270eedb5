"""Which transformer blocks are computed when, found from how they change.

Wimbauer et al. 2023 (arXiv 2312.03209) give each block a schedule of its own, which would be a
graph for nearly every step. Here the blocks are ordered by how much they change, and at most two
graphs beside the full one each reuse the blocks that change least, as many as saves most work.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import openvino as ov

from bundles.graphs import cut, feature_shapes, total_work
from bundles.manifest import BlockCache, FeatureVariant
from bundles.step_plan import choose_variants
from core.errors import BundleError

MOST_VARIANTS = 2
"""Beside the full one: each is compiled and held in memory."""

Curves = Mapping[str, Sequence[float]]


def plan_blocks(
    model: ov.Model, curves: Curves, threshold: float, shapes: Mapping[str, Sequence[int]]
) -> BlockCache:
    """Choose the variants that save most work under a threshold.

    Args:
        model: The whole UNet, with each block's part as an output.
        curves: Each block's relative change, added up from the first call to each one.
        threshold: How much change since a block was computed is borne.
        shapes: Of the inputs by name; work is counted for these.

    Raises:
        BundleError: No block may be reused at any step.
    """
    whole = total_work(model, shapes)
    sizes = dict(shapes) | feature_shapes(model, shapes)
    steady = sorted(curves, key=lambda name: curves[name][-1])
    saved = {name: 1 - _share(model, [name], sizes, whole) for name in steady}
    best: tuple[int, ...] = ()
    least = float(len(next(iter(curves.values()))))
    for amount in range(1, MOST_VARIANTS + 1):
        for ends in combinations(range(1, len(steady) + 1), amount):
            variants = _variants(steady, ends, saved)
            reused = {name: curves[name] for name in steady[: ends[-1]]}
            plan = choose_variants(variants, reused, threshold)
            cost = sum(variants[place].work for place in plan)
            # A graph more has to pay for its memory.
            if cost < 0.99 * least:
                best, least = ends, cost
    if not best:
        raise BundleError(
            f"with --blockcache {threshold:g} no block can be reused at any step: give a larger "
            "number, or leave it out"
        )
    variants = [
        variant.model_copy(update={"work": _share(model, variant.takes, sizes, whole)})
        for variant in _variants(steady, best, saved)
    ]
    reused = {name: tuple(curves[name]) for name in steady[: best[-1]]}
    return BlockCache(
        threshold=threshold,
        steps=len(next(iter(curves.values()))),
        changes=reused,
        variants=tuple(variants),
    )


def _variants(
    steady: Sequence[str], ends: Sequence[int], saved: Mapping[str, float]
) -> list[FeatureVariant]:
    """Make the full variant, and for each end one that reuses the blocks before it."""
    kept = steady[: ends[-1]]
    return [
        FeatureVariant(
            name=f"reuse-{end}" if end else "full",
            takes=tuple(steady[:end]),
            leaves=tuple(kept[end:]),
            work=max(1e-6, 1 - sum(saved[name] for name in steady[:end])),
        )
        for end in (0, *ends)
    ]


def _share(
    model: ov.Model, takes: Sequence[str], sizes: Mapping[str, Sequence[int]], whole: int
) -> float:
    """Count what is left of the work when some features are taken, as a share."""
    variant = cut(model, takes=takes, leaves=())
    known = {port.get_any_name() for port in variant.inputs}
    return total_work(variant, {n: s for n, s in sizes.items() if n in known}) / whole
