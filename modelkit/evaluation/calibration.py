"""From which similarity on an image may begin with another's latents, as measured.

Agarwal et al. 2023 (NIRVANA, arXiv 2312.04429) choose their thresholds so that quality stays; what
a cosine means depends on the text encoder, so each bundle has its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from core.domain.approximation import Threshold
from modelkit.evaluation.attributes import judge, score_attributes
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.pairs import Pair
from modelkit.evaluation.similarity import Pixels, ssim

WINDOW = 100
"""Pairs of about the same similarity whose loss is looked at: a loss of one point cannot be seen
among fewer than a hundred."""

SSIM_LIKE = 0.8
"""Where nobody can judge images by their prompts: those that are so like the full run are good."""


@dataclass(frozen=True, kw_only=True)
class Measured:
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
) -> list[Measured]:
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
        Measured(
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
    measured: Sequence[Measured], steps: int, *, tolerance: float
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


def _least(nearest_first: Sequence[Measured], tolerance: float) -> float | None:
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
    measured: Sequence[Measured], step: int, relation: str | None = None
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
