"""What may be asked for: the model's limits and the server's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.domain.model_input import ModelInput
from core.domain.schedulers import KNOWN, StepLimits, step_limits


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Everything that the checks compare with."""

    smallest: int
    """Pixels, of width and height."""
    largest: int
    """Pixels, of width and height."""
    multiple_of: int
    """Widths and heights are multiples of it."""
    max_steps: int
    max_variants: int
    max_images: int
    """Rows × variants of one sheet."""
    defaults: Mapping[str, Any]
    """The model's own values: width, height, steps, guidance_scale, scheduler, negative_prompt."""
    schedulers: Mapping[str, StepLimits] = field(
        default_factory=lambda: {name: step_limits(name, {}) for name in KNOWN}
    )
    """The schedulers that the model works with, and the steps that each can take."""
    unsuited: Mapping[str, str] = field(default_factory=dict)
    """The other schedulers, and why the model does not work with each."""
    reads: ModelInput = field(default_factory=ModelInput)
    """What of a request the model sees."""

    @property
    def step_of_size(self) -> int:
        """The step between two sizes: latents have an eighth of the image's size."""
        return self.multiple_of if self.multiple_of % 8 == 0 else 8 * self.multiple_of
