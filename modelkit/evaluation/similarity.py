"""How alike two images are: PSNR and SSIM."""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Pixels = npt.NDArray[np.uint8]
"""An RGB image, (height, width, 3), uint8."""

PEAK = 255.0

WINDOW_SIGMA, WINDOW_RADIUS = 1.5, 5
"""The 11 × 11 Gaussian window of Wang et al. 2004, in pixels."""
LUMINANCE_FLOOR, CONTRAST_FLOOR = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
"""Their C1 and C2, which keep the quotient finite in dark and flat windows."""


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB, over all channels; infinite for equal images.

    Raises:
        ValueError: The images differ in size.
    """
    error = float(np.mean((_floats(one) - _floats(other, one.shape)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(PEAK**2 / error))


def ssim(one: Pixels, other: Pixels) -> float:
    """Return the structural similarity, at most 1, the mean of the three channels'.

    Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity":
    a Gaussian window of 11 × 11 pixels (sigma 1.5) with the weighted, biased variances of the
    paper, averaged over the windows that lie wholly inside the image.

    Raises:
        ValueError: The images differ in size, or are smaller than the window.
    """
    x, y = _floats(one), _floats(other, one.shape)
    if min(x.shape[:2]) <= 2 * WINDOW_RADIUS:
        raise ValueError(f"images of {x.shape[1]}×{x.shape[0]} are smaller than SSIM's window")
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    variances = _local_mean(x * x) - mean_x**2 + _local_mean(y * y) - mean_y**2
    covariance = _local_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + LUMINANCE_FLOOR) / (mean_x**2 + mean_y**2 + LUMINANCE_FLOOR)
    structure = (2 * covariance + CONTRAST_FLOOR) / (variances + CONTRAST_FLOOR)
    return float((luminance * structure).mean())


def _floats(image: Pixels, shape: tuple[int, ...] | None = None) -> npt.NDArray[np.float64]:
    if shape is not None and image.shape != shape:
        raise ValueError(f"images of shapes {shape} and {image.shape} cannot be compared")
    return image.astype(np.float64)


def _local_mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average over the window around each pixel whose window lies inside the image."""
    distance = np.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1)
    weights = np.exp(-(distance**2) / (2 * WINDOW_SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        values = sliding_window_view(values, len(weights), axis=axis) @ weights
    return values
