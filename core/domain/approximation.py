"""How much of a near prompt's image may be taken over: thresholds of similarity, and steps.

Agarwal et al. 2023, "Approximate Caching for Efficiently Serving Diffusion Models" (NIRVANA),
arXiv 2312.04429: the first steps of a schedule lay out the image, so a prompt that is like an
earlier one may go on from the latents that the earlier one had after K steps.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of a schedule after which latents are kept: NIRVANA's 5 to 25 of 50 steps."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """From which similarity on a share of the schedule may be spared."""

    share: float
    """Of the schedule, above 0 and below 1."""
    similarity: float
    """Cosine between the prompts' embeddings, which must be larger."""


NIRVANA = (
    Threshold(share=0.5, similarity=0.95),
    Threshold(share=0.4, similarity=0.90),
    Threshold(share=0.3, similarity=0.85),
    Threshold(share=0.2, similarity=0.75),
    Threshold(share=0.1, similarity=0.65),
)
"""The paper's, for CLIP's text embeddings: what a bundle gets that was not calibrated."""


def kept_steps(steps: int) -> tuple[int, ...]:
    """Return the numbers of steps after which the latents of a schedule are kept, ascending.

    A short schedule has fewer of them, one of a single step none.
    """
    return tuple(sorted({step for share in SHARES if 0 < (step := round(share * steps)) < steps}))


def most_steps(similarity: float, steps: int, thresholds: Sequence[Threshold]) -> int:
    """Return the most steps that a prompt of this similarity may be spared; 0: none."""
    shares = [one.share for one in thresholds if similarity > one.similarity]
    allowed = round(max(shares, default=0.0) * steps)
    return max((step for step in kept_steps(steps) if step <= allowed), default=0)


@dataclass(frozen=True, kw_only=True)
class Approximation:
    """What an image began with, as its generation's row holds it."""

    steps_spared: int
    """K: steps of the schedule that were not computed."""
    similarity: float
    """Cosine between the two prompts' embeddings."""
    source_generation: UUID
    source_job: UUID | None
    """A job that the source was computed for."""

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            name: str(value) if isinstance(value, UUID) else value
            for name, value in asdict(self).items()
        }
