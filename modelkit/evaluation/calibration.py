"""From which similarity on an image may begin with another's latents, as measured.

Agarwal et al. 2023 (NIRVANA, arXiv 2312.04429) choose their thresholds so that quality stays; what
a cosine means depends on the text encoder, so each bundle has its own.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import TypeVar

import numpy as np

from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest, save_manifest
from core.domain.approximation import Threshold
from modelkit.evaluation.comparison import judge, likeness, score_attributes, write_aside
from modelkit.evaluation.similarity import Pixels, ssim
from modelkit.prompts import EVALUATION, held_out_products, is_starter
from starter.chance import seeded
from starter.data.attributes import Background, Colour, Kind, Pattern, Product
from starter.data.captions import canonical_caption, caption

Value = TypeVar("Value", bound=StrEnum)

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
    "grey", "gold", "silver",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prompt that is drawn with the beginning of another one's image."""

    relation: str
    """In which way the two differ, for people."""
    target: str
    source: str
    product: Product | None = None
    """What the target shows, where the starter's classifier can judge it."""


def make_pairs(manifest: Manifest, count: int, *, seed: int = 0) -> list[Pair]:
    """Return pairs of different similarity for each of `count` prompts of the bundle's own.

    The starter draws held-out products, beside the same in other words, and others that differ in
    one attribute, in two, and in all of them. Other bundles draw their prompts beside shorter and
    longer ones, such with other colours, and other prompts.
    """
    rng = seeded(f"pairs/{seed}")
    if is_starter(manifest):
        return [
            pair for product in held_out_products(count) for pair in _product_pairs(product, rng)
        ]
    prompts = (manifest.prompts or EVALUATION)[:count]
    return [pair for prompt in prompts for pair in _text_pairs(prompt, prompts, rng)]


def _product_pairs(product: Product, rng: random.Random) -> list[Pair]:
    kind, colour = _other(Kind, product.kind, rng), _other(Colour, product.colour, rng)
    pattern = _other(Pattern, product.pattern, rng)
    background = _other(Background, product.background, rng)
    others: Mapping[str, Product] = {
        "colour": replace(product, colour=colour),
        "background": replace(product, background=background),
        "pattern": replace(product, pattern=pattern),
        "kind": replace(product, kind=kind),
        "colour and background": replace(product, colour=colour, background=background),
        "everything": Product(kind=kind, colour=colour, pattern=pattern, background=background),
    }
    sources = {"other words": caption(product, rng)} | {
        relation: canonical_caption(other) for relation, other in others.items()
    }
    return [
        Pair(
            relation=relation,
            target=canonical_caption(product),
            source=source,
            product=product,
        )
        for relation, source in sources.items()
    ]


def _other(values: type[Value], one: Value, rng: random.Random) -> Value:
    return rng.choice([value for value in values if value is not one])


def _text_pairs(prompt: str, prompts: Sequence[str], rng: random.Random) -> list[Pair]:
    sources = {
        "fewer words": prompt.rpartition(",")[0],
        "more words": f"{prompt}, studio light",
        "colour": _recoloured(prompt, rng),
        "another prompt": rng.choice([other for other in prompts if other != prompt] or [""]),
    }
    return [
        Pair(relation=relation, target=prompt, source=source)
        for relation, source in sources.items()
        if source
    ]


def _recoloured(prompt: str, rng: random.Random) -> str:
    """Put another colour in the place of the first; empty where there is none."""
    words = prompt.split(" ")
    place = next((n for n, word in enumerate(words) if word.lower() in COLOURS), None)
    if place is None:
        return ""
    words[place] = rng.choice([colour for colour in COLOURS if colour != words[place].lower()])
    return " ".join(words)


WINDOW = 100
"""Pairs of about the same similarity whose loss is looked at: a loss of one point cannot be seen
among fewer than a hundred."""

SSIM_LIKE = 0.8
"""Where nobody can judge images by their prompts: those that are so like the full run are good."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPair:
    """One pair at one number of steps."""

    pair: Pair
    similarity: float
    step: int
    """K: steps that the source's latents spared."""
    psnr: float
    """Against the full run with the source's noise, in dB."""
    ssim: float
    good: bool
    """Whether the image is what was asked for."""
    good_in_full: bool
    """Whether the full run is."""

    @property
    def loss(self) -> int:
        """1 where only the full run is good, -1 where only this is, else 0."""
        return self.good_in_full - self.good


def judge_step(
    pairs: Sequence[Pair],
    similarities: Sequence[float],
    step: int,
    images: Sequence[Pixels],
    full: Sequence[Pixels],
) -> list[MeasuredPair]:
    """Judge images that began with their pair's source after `step` steps.

    Args:
        pairs: What was drawn.
        similarities: Cosine of each pair's prompts.
        step: K.
        images: One per pair.
        full: The pairs' targets from the first step on, with the same noise as their sources.
    """
    alike = [ssim(one, other) for one, other in zip(images, full, strict=True)]
    products = [pair.product for pair in pairs]
    known = [product for product in products if product is not None]
    if len(known) == len(pairs):
        classifier = judge()
        good = score_attributes(classifier, np.stack(images), known).right
        good_in_full = score_attributes(classifier, np.stack(full), known).right
    else:
        good, good_in_full = tuple(one >= SSIM_LIKE for one in alike), (True,) * len(pairs)
    return [
        MeasuredPair(
            pair=pair,
            similarity=similarities[row],
            step=step,
            psnr=likeness(images[row], full[row]),
            ssim=alike[row],
            good=good[row],
            good_in_full=good_in_full[row],
        )
        for row, pair in enumerate(pairs)
    ]


def choose_thresholds(
    measured: Sequence[MeasuredPair], steps: int, *, tolerance: float
) -> tuple[Threshold, ...]:
    """Choose for each K the least similarity at which no more than `tolerance` is lost.

    From the most similar pair down, until more of the last hundred pairs' images went wrong than
    may. Less similarity than was measured is never allowed.

    Args:
        measured: Pairs at several K, in any order.
        steps: The schedule's.
        tolerance: Share of images that may be lost.

    Returns:
        Most steps first; a K that always loses more is left out.
    """
    found = []
    for step in sorted({one.step for one in measured}, reverse=True):
        nearest_first = sorted(
            (one for one in measured if one.step == step), key=lambda one: -one.similarity
        )
        similarity = _least(nearest_first, tolerance)
        if similarity is not None:
            found.append(Threshold(share=round(step / steps, 4), similarity=similarity))
    return tuple(found)


def _least(nearest_first: Sequence[MeasuredPair], tolerance: float) -> float | None:
    for number, one in enumerate(nearest_first):
        window = nearest_first[max(0, number + 1 - WINDOW) : number + 1]
        if sum(other.loss for other in window) > tolerance * WINDOW:
            # The first that is one too many, and whatever is as far away.
            return _up(one.similarity) if number else None
    return _down(nearest_first[-1].similarity) if nearest_first else None


def _up(similarity: float) -> float:
    return float(np.ceil(similarity * 1000) / 1000)


def _down(similarity: float) -> float:
    return float(np.floor(similarity * 1000) / 1000)


def summary(
    measured: Sequence[MeasuredPair], step: int, relation: str | None = None
) -> dict[str, float]:
    """Average over the pairs of one K, or of one relation: similarity, psnr, ssim, good, full."""
    rows = [one for one in measured if one.step == step and relation in {None, one.pair.relation}]
    return {
        "similarity": fmean(one.similarity for one in rows),
        "psnr": fmean(one.psnr for one in rows),
        "ssim": fmean(one.ssim for one in rows),
        "good": fmean(one.good for one in rows),
        "good_in_full": fmean(one.good_in_full for one in rows),
    }


def write_calibration(
    file: Path,
    manifest: Manifest,
    measured: Sequence[MeasuredPair],
    thresholds: Sequence[Threshold],
) -> None:
    """Write how images that began with others' latents turned out, as JSON, aside and renamed."""
    content = {
        "bundle": {
            "name": manifest.name,
            "revision": manifest.revision,
            "defaults": manifest.defaults.model_dump(),
        },
        "thresholds": [asdict(one) for one in thresholds],
        "pairs": [
            {
                "relation": one.pair.relation,
                "target": one.pair.target,
                "source": one.pair.source,
                "similarity": one.similarity,
                "steps_spared": one.step,
                "psnr": one.psnr,
                "ssim": one.ssim,
                "good": one.good,
                "good_in_full": one.good_in_full,
            }
            for one in measured
        ],
    }
    write_aside(file, content)


def record_thresholds(folder: Path, thresholds: Sequence[Threshold]) -> None:
    """Write what was calibrated into a bundle's manifest; its revision stays as it is.

    Raises:
        BundleError: There is no bundle any more.
    """
    manifest = load_manifest(folder)
    save_manifest(manifest.model_copy(update={"approximate": tuple(thresholds)}), folder)
