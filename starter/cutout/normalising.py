"""How photographs become the network's numbers, in training as in use."""

import numpy as np
import numpy.typing as npt
import torch

from catalogue.cutouts.segmentation import LAYOUTS

LAYOUT = LAYOUTS["packshot"]


def as_input(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Turn photographs, (N, side, side, 3) sRGB, into (N, 3, side, side) as the layout says."""
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in (LAYOUT.mean, LAYOUT.std))
    levels = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return (levels.float() / 255 - mean) / std
