"""A product laid over a canvas, and what of it must come out of there as it went in."""

import hashlib

import numpy as np
import numpy.typing as npt

from catalogue.cutouts.model import Mask, Rgba


def paste(product: Rgba, window: npt.NDArray[np.uint8]) -> None:
    """Lay a product over a part of a canvas; where it is whole, it is not computed with.

    Args:
        product: sRGB, alpha not premultiplied.
        window: Of the same height and width, with 3 channels or 4; it is changed.
    """
    alpha = product[..., 3]
    whole = alpha == 255
    channels = window.shape[2]
    window[whole] = _chosen(product, whole)[:, :channels]
    edge = (alpha > 0) & ~whole
    share = alpha[edge].astype(np.float32)[:, None] / 255
    over, under = product[edge][:, :3].astype(np.float32), window[edge].astype(np.float32)
    if channels == 3:
        window[edge] = (over * share + under * (1 - share) + 0.5).astype(np.uint8)
        return
    below = under[:, 3:] / 255 * (1 - share)
    total = share + below
    mixed = (over * share + under[:, :3] * below) / total
    window[edge] = (np.concatenate([mixed, total * 255], axis=1) + 0.5).astype(np.uint8)


def well_inside(mask: Mask) -> Mask:
    """Keep pixels whose eight neighbours match, too; beyond the frame nothing does."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] & padded[1:-1] & padded[2:]
    return np.asarray(rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:])


def digest(pixels: npt.NDArray[np.uint8], inside: Mask) -> str:
    """Return the SHA-256, in hex, of pixels' colours where a mask matches: RGB, row by row."""
    return hashlib.sha256(_chosen(pixels, inside)[:, :3].tobytes()).hexdigest()


def _chosen(pixels: npt.NDArray[np.uint8], where: Mask) -> npt.NDArray[np.uint8]:
    """Return the pixels where a mask matches, (n, channels): each is copied as one value."""
    channels = pixels.shape[2]
    values = np.ascontiguousarray(pixels).view(f"V{channels}")[..., 0]
    return values[where].view(np.uint8).reshape(-1, channels)
