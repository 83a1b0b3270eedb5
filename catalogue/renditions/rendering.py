"""One image as one channel wants it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from catalogue.channels import Channel, Ground
from catalogue.renditions.framing import Framing, choose, cut, cut_mask
from catalogue.renditions.scene import Pixels, Scene, look
from core.errors import PackshotError
from core.pictures.credentials import MOST_BYTES as SIGNATURE_BYTES
from core.pictures.credentials import Credentials
from core.pictures.encoding import QUALITY, encode
from core.pictures.opening import open_rgb

MOST_PIXELS = 16 * 10**6
"""Of an original: models draw a quarter of that."""
WORST_QUALITY = 40
"""Below it a smaller picture is the better one."""
SMALLER = 0.85
"""The sides of the next try, when no quality is low enough."""


class RenditionError(PackshotError):
    """The image cannot be made into what the channel wants."""

    code = "rendition_impossible"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A file, and what was done for it."""

    body: bytes
    width: int
    height: int
    upscaled: float | None
    """By how much, where the channel's minimum asked for more pixels than there were."""
    ground: str
    """What the background is: `white` (exactly) or `kept`."""
    fill: float | None
    """Share of the frame's side that the product's longer side takes; None: as the model drew."""
    unclear: bool
    """Whether the background was made white although the product can hardly be told from it."""


def render(
    original: bytes, channel: Channel, *, credentials: Credentials | None = None
) -> Rendered:
    """Make an image into what a channel wants.

    Args:
        original: The stored file.
        channel: What is wanted.
        credentials: What signs the file; None: it is not signed.

    Raises:
        InvalidImageError: The stored file is no image that can be read.
        RenditionError: It is too large in bytes even at the channel's smallest size.
    """
    preset = channel.preset
    pixels: Pixels = np.asarray(open_rgb(original, most_pixels=MOST_PIXELS))
    height, width = pixels.shape[:2]
    # Who keeps the picture as it was drawn need not know what is in it.
    scene = look(pixels) if preset.square or preset.ground is Ground.WHITE else None
    white = preset.ground is Ground.WHITE and scene is not None and scene.white
    box = scene.box if scene else None
    framing = choose(width, height, box, preset, scene.shown if scene else None)
    body, framing = _fitted(pixels, scene if white else None, framing, channel, credentials)
    filled = preset.square and preset.fill is not None
    return Rendered(
        body=body,
        width=framing.size[0],
        height=framing.size[1],
        upscaled=round(framing.scale, 2) if framing.scale > 1 else None,
        ground="white" if white else "kept",
        fill=round(box.longest / framing.frame.width, 2) if box and filled else None,
        unclear=white and scene is not None and scene.unclear,
    )


def _fitted(
    pixels: Pixels,
    scene: Scene | None,
    framing: Framing,
    channel: Channel,
    credentials: Credentials | None,
) -> tuple[bytes, Framing]:
    """Find the largest and best file within the channel's bytes."""
    preset = channel.preset
    limit = preset.max_bytes - (SIGNATURE_BYTES if credentials else 0)
    while True:
        body = _best(_drawn(pixels, scene, framing), channel, limit)
        if body is not None:
            return (credentials.sign(body, channel.format) if credentials else body), framing
        framing = framing.shrunk(SMALLER)
        if min(framing.size) < preset.smallest:
            raise RenditionError(
                f"As {channel.format.value} the image has more than the "
                f"{preset.max_bytes / 1e6:g} MB that {channel.name} takes, even at "
                f"{preset.smallest} pixels. Ask for {channel.name.partition('.')[0]} in another "
                f"format: {', '.join(preset.formats)}."
            )


def _drawn(pixels: Pixels, scene: Scene | None, framing: Framing) -> Image.Image:
    """Scale what is in the frame, and make the ground of a white scene exactly white.

    After scaling: Lanczos leaves rings around what stands on white.
    """
    if scene is None:
        return cut(pixels, framing, white=False)
    cleaned = _whitened(pixels, scene.fade)
    picture = cut(cleaned, framing, white=True)
    ground = cut_mask(scene.ground, framing).point(_sure)
    return Image.composite(Image.new("RGB", picture.size, "white"), picture, ground)


def _whitened(pixels: Pixels, fade: Pixels) -> Pixels:
    """Make background white, by as much as it is that: a shadow's end fades with it."""
    changed = fade > 0
    cleaned = pixels.copy()
    levels, share = pixels[changed].astype(np.uint16), fade[changed, None].astype(np.uint16)
    cleaned[changed] = 255 - ((255 - levels) * (255 - share) + 127) // 255
    return cleaned


def _sure(level: float) -> float:
    """Leave the inner half of a mask's soft edge to the product."""
    return max(0, 2 * level - 255)


def _best(picture: Image.Image, channel: Channel, limit: int) -> bytes | None:
    """Find the best quality whose file is within the limit; None: none is."""
    body = encode(picture, channel.format)
    if len(body) <= limit or not channel.format.lossy:
        return body if len(body) <= limit else None
    best = None
    low, high = WORST_QUALITY, QUALITY - 1
    while low <= high:
        quality = (low + high) // 2
        body = encode(picture, channel.format, quality=quality)
        if len(body) <= limit:
            best, low = body, quality + 1
        else:
            high = quality - 1
    return best
