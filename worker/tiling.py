"""Large images are decoded in overlapping tiles, so that memory does not grow with their size."""

from collections.abc import Callable

import numpy as np

from worker.model import Array


def decode_tiled(
    decode: Callable[[Array], Array], latents: Array, *, tile: int, scale: int
) -> Array:
    """Decode tile by tile, and blend where tiles overlap: by a quarter, linearly.

    The same arithmetic as `AutoencoderKL.tiled_decode` of `diffusers`, so the same seams: a tile
    does not see what is beyond its edge, and normalises over itself alone.

    Args:
        decode: Decodes (images, channels, height, width) to (images, 3, height·scale,
            width·scale); what it returns is ours.
        latents: (images, channels, height, width).
        tile: Side of a tile in latents, a multiple of 4.
        scale: Pixels per latent, along each side.

    Returns:
        (images, 3, height·scale, width·scale).
    """
    height, width = latents.shape[2:]
    stride, blend = tile - tile // 4, tile // 4 * scale
    bands, above = [], None
    for top in range(0, height, stride):
        tiles = [
            decode(latents[:, :, top : top + tile, left : left + tile])
            for left in range(0, width, stride)
        ]
        for index, pixels in enumerate(tiles):
            if above is not None:
                _blend(above[index], pixels, blend, axis=2)
            if index:
                _blend(tiles[index - 1], pixels, blend, axis=3)
        kept = [pixels[:, :, : stride * scale, : stride * scale] for pixels in tiles]
        bands.append(np.concatenate(kept, axis=3))
        above = tiles
    return np.concatenate(bands, axis=2)


def _blend(before: Array, after: Array, extent: int, *, axis: int) -> None:
    """Fade from the end of one tile into the beginning of the next, in place."""
    extent = min(before.shape[axis], after.shape[axis], extent)
    shape = [1, 1, 1, 1]
    shape[axis] = extent
    weight = (np.arange(extent, dtype=np.float32) / extent).reshape(shape)
    end = [slice(None)] * 4
    end[axis] = slice(-extent, None)
    beginning = [slice(None)] * 4
    beginning[axis] = slice(extent)
    faded = before[tuple(end)] * (1 - weight) + after[tuple(beginning)] * weight
    after[tuple(beginning)] = faded
