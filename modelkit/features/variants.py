"""Makes a UNet's variants, each a part of the bundle; which blocks they reuse is measured."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import openvino as ov
from safetensors.numpy import save_file

from bundles.graphs import cut, feature_shapes, total_work
from bundles.layout import POOLED, SIZE_IDS
from bundles.manifest import (
    ALIGNMENT_FILE,
    BlockCache,
    DeepCache,
    FeatureVariant,
    variant_folder,
)
from bundles.records import write_json
from bundles.step_plan import choose_variants, sources, step_plan
from bundles.workshop import Workshop
from core.errors import BundleError
from modelkit.export.configuration import read_text_encoder, read_unet, read_vae, scale_factor
from modelkit.export.conversion import MODEL_FILE, save
from modelkit.export.source import Profile
from modelkit.export.unet import DEEP
from modelkit.features.order import BlockCacheOrder, CachingOrder, DeepCacheOrder
from modelkit.progress import Progress

MOST_VARIANTS = 2
"""Beside the full one: each is compiled and held in memory."""

Curves = Mapping[str, Sequence[float]]


def plan_blocks(
    model: ov.Model, curves: Curves, threshold: float, shapes: Mapping[str, Sequence[int]]
) -> BlockCache:
    """Choose the variants that save most work under a threshold.

    Wimbauer et al. 2023 (arXiv 2312.03209) give each block a schedule of its own, which would be a
    graph for nearly every step. Here the blocks are ordered by how much they change, and at most
    two graphs beside the full one each reuse the blocks that change least, as many as saves most.

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
            f"With --blockcache {threshold:g} no block can be reused at any step: give a larger "
            "number, or leave it out."
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


PICTURES = 8
"""How many are drawn to see how features change."""


def make_variants(
    order: CachingOrder,
    source: Path,
    profile: Profile,
    workshop: Workshop,
    say: Progress,
    *,
    halves: bool,
) -> DeepCache | BlockCache:
    """Make the variants of the UNet that the workshop holds, as parts of their own.

    Args:
        order: What is to be kept between steps.
        source: The diffusers folder that the UNet was made from.
        profile: What it draws, and how.
        workshop: Holds the whole UNet, which gives the features.
        say: Hears how far it is.
        halves: Whether FP32 weights are stored as FP16.

    Raises:
        BundleError: The threshold lets nothing be reused, or the source cannot draw.
    """
    model = ov.Core().read_model(workshop.bundle / "unet" / MODEL_FILE)
    shapes = default_shapes(model, source, profile)
    caching: DeepCache | BlockCache
    if isinstance(order, DeepCacheOrder):
        caching = _deep_cache(model, order, shapes)
    else:
        caching = _block_cache(model, order, source, profile, shapes, workshop, say)
    say.stage("cut the UNet's variants", len(caching.variants) - 1)
    for variant in caching.variants[1:]:
        part = variant_folder(variant.name)
        if not workshop.has(part):
            with workshop.part(part) as aside:
                graph = cut(model, takes=variant.takes, leaves=variant.leaves)
                save(graph, aside / MODEL_FILE, halves=halves)
                write_json(read_unet(source), aside / "config.json")
        say.advance()
    return caching


def default_shapes(model: ov.Model, source: Path, profile: Profile) -> dict[str, list[int]]:
    """Return the inputs' shapes of one row of the model's default size."""
    pixels = scale_factor(read_vae(source / "vae"))
    sample = model.input("sample").get_partial_shape()
    states = model.input("encoder_hidden_states").get_partial_shape()
    tokens = read_text_encoder(source / "text_encoder")["max_position_embeddings"]
    defaults = profile.defaults
    added = {port.get_any_name(): port.get_partial_shape() for port in model.inputs}
    return {
        "sample": [
            1, sample[1].get_length(), defaults.height // pixels, defaults.width // pixels,
        ],
        "timestep": [1],
        "encoder_hidden_states": [1, tokens, states[2].get_length()],
        **{
            name: [1, added[name][1].get_length()] for name in (POOLED, SIZE_IDS) if name in added
        },
    }  # fmt: skip


def _deep_cache(
    model: ov.Model, order: DeepCacheOrder, shapes: Mapping[str, Sequence[int]]
) -> DeepCache:
    shallow = cut(model, takes=[DEEP], leaves=())
    known = dict(shapes) | feature_shapes(model, shapes)
    return DeepCache(
        interval=order.interval,
        branch=order.branch,
        schedule=order.schedule,
        variants=(
            FeatureVariant(name="full", leaves=(DEEP,)),
            FeatureVariant(
                name="shallow",
                takes=(DEEP,),
                work=total_work(shallow, known) / total_work(model, shapes),
            ),
        ),
    )


def _block_cache(
    model: ov.Model,
    order: BlockCacheOrder,
    source: Path,
    profile: Profile,
    shapes: Mapping[str, Sequence[int]],
    workshop: Workshop,
    say: Progress,
) -> BlockCache:
    """Find the schedule from the UNet's own denoising, then fit scales and shifts to it."""
    note = workshop.scratch / "block_cache.json"
    if note.is_file():
        return BlockCache.model_validate_json(note.read_bytes())
    # NNCF, which the first loads, takes seconds.
    from modelkit.features.observation import Alignment, Changes, observe  # noqa: PLC0415
    from modelkit.prompts import calibration_prompts  # noqa: PLC0415

    prompts = calibration_prompts(profile, PICTURES)
    look = partial(observe, model, source, prompts, defaults=profile.defaults, say=say)
    say.stage("see how features change", len(prompts) * profile.defaults.steps)
    changes = Changes()
    calls = look(changes.look)
    caching = plan_blocks(model, changes.curves(), order.threshold, shapes)
    say.stage("align old features with new ones", len(prompts) * calls)
    alignment = Alignment(sources(caching, step_plan(caching, calls)))
    look(alignment.look)
    save_file(alignment.tensors(), workshop.bundle / "unet" / ALIGNMENT_FILE)
    note.write_text(caching.model_dump_json(), encoding="utf-8")
    return caching
