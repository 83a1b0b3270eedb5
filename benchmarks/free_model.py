"""A worker whose model costs nothing, to measure everything else.

`python -m benchmarks.free_model [--pause 0.1]` runs in the place of `python -m worker`.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.main import main
from worker.model import HIDDEN_STATES, Array, Conditioning, Features, StepInputs


class FreeModel:
    """Predicts the noise it is shown, and draws the latents as coloured squares."""

    embeds_guidance = False
    taught: Sequence[str] = ()
    zeroes_empty_negative = False
    inpaints = False
    precision = "f32"
    feature_caching = None
    alignment = None
    pause = 0.0
    """Seconds that a call of its UNet takes, without computing."""

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """Stable Diffusion's noise schedule."""
        return {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Give the latents' (channels, height, width), as of Stable Diffusion."""
        return 4, height // 8, width // 8

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        """Return states of nothing, (77, 8) for each text."""
        return [{HIDDEN_STATES: np.zeros((77, 8), np.float32)} for _ in texts]

    def conditioning(
        self,
        *,
        guidance_scale: float,  # noqa: ARG002
        width: int,  # noqa: ARG002
        height: int,  # noqa: ARG002
    ) -> Conditioning:
        """Return nothing."""
        return {}

    def predict(self, inputs: StepInputs) -> tuple[Array, list[Features]]:
        """Return the samples."""
        if self.pause:
            time.sleep(self.pause)
        return inputs.samples, [{}] * len(inputs.samples)

    def decode(self, latents: Array) -> NDArray[np.uint8]:
        """Draw one square of 8x8 pixels for each latent, (images, height, width, 3)."""
        colours = np.clip(latents[:, :3] * 64 + 128, 0, 255).astype(np.uint8)
        return colours.repeat(8, axis=2).repeat(8, axis=3).transpose(0, 2, 3, 1)


def run() -> int:
    """Be a worker; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pause", type=float, default=0.0)
    model = FreeModel()
    model.pause = parser.parse_args().pause
    return main(lambda *_: model)


if __name__ == "__main__":
    sys.exit(run())
