"""The guidance scale as an input of a distilled UNet."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def guidance_embedding(scales: Sequence[float], dimension: int) -> NDArray[np.float32]:
    """Embed guidance scales as `diffusers` does for latent consistency models.

    Sinusoids of 1000·(scale-1), as of timesteps in VDM (Kingma et al. 2021, arXiv 2107.00630).

    Args:
        scales: One per row.
        dimension: Width of the UNet's `time_cond_proj_dim`.

    Returns:
        (rows, dimension), float32.
    """
    angles = (np.asarray(scales, np.float32) - 1.0) * 1000.0
    half = dimension // 2
    frequencies = np.exp(np.arange(half, dtype=np.float32) * -(np.log(10000.0) / (half - 1)))
    phases = angles[:, None] * frequencies[None]
    embedding = np.concatenate([np.sin(phases), np.cos(phases)], axis=1)
    return np.pad(embedding, ((0, 0), (0, dimension % 2))).astype(np.float32)
