"""One image as one channel wants it: framed, its ground made white, within its bytes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from catalogue.channels import Channel, ChannelRules, Ground
from catalogue.renditions.framing import WHITE, Framing, choose, cut, cut_mask
from catalogue.renditions.scene import Alpha, Box, Pixels, Scene, known, known_in, look
from catalogue.renditions.writer import Writer
from core.errors import PackshotError
from core.pictures.credentials import Credentials
from core.pictures.marking import ImageWatermark
from core.pictures.opening import open_alpha, open_rgb
from core.pictures.provenance import is_photographed

MOST_PIXELS = 16 * 10**6
"""Of an original: models draw a quarter of that."""
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
    original: bytes,
    channel: Channel,
    *,
    credentials: Credentials | None = None,
    box: Box | None = None,
    watermark: ImageWatermark | None = None,
) -> Rendered:
    """Make an image into what a channel wants.

    Args:
        original: The stored file.
        channel: What is wanted.
        credentials: What signs the file; None: it is not signed.
        box: Around the product without its shadow, in the image's pixels, where it was placed by
            rule; None: it is looked for. Transparent images have their outline in themselves.
        watermark: The image's own, which is taken off before anything is looked for, and written
            into what was made; None: what the image has is scaled with it.

    Raises:
        InvalidImageError: The stored file is no image that can be read.
        RenditionError: It is too large in bytes even at the channel's smallest size, or the channel
            takes no such images.
    """
    preset = channel.preset
    writer = Writer.of(original, channel, credentials)
    if preset.photographed:
        _check_photographed(channel, writer.source_type)
    pixels: Pixels = np.asarray(open_rgb(original, most_pixels=MOST_PIXELS))
    if watermark is not None:
        pixels = watermark.lift(pixels, writer.source_type)
    height, width = pixels.shape[:2]
    scene = _scene(pixels, preset, product_alpha(original), box)
    white = scene if scene and scene.white and preset.ground is Ground.WHITE else None
    product, shown = (scene.box, scene.shown) if scene else (None, None)
    # A colour goes on beyond the picture, a scene does not.
    within = box is not None and white is None and not is_photographed(writer.source_type)
    framing = choose(width, height, product, preset, shown, within=within)
    if preset.photographed and white is None:
        raise RenditionError(
            f"{channel.name} takes products on exact white, and this background is another colour. "
            "Ask for a cut-out with `background` white."
        )
    body, framing = _fitted(pixels, white, framing, writer, watermark)
    enlarged = framing.scale > 1
    return Rendered(
        body=body,
        width=framing.size[0],
        height=framing.size[1],
        upscaled=round(framing.scale, 2) if enlarged else None,
        ground="white" if white else "kept",
        fill=_fill(product, preset, framing),
        unclear=white is not None and white.unclear,
    )


def _fill(product: Box | None, preset: ChannelRules, framing: Framing) -> float | None:
    if product is None or not preset.square or not preset.fill:
        return None
    return round(product.longest / framing.frame.width, 2)


def _check_photographed(channel: Channel, source_type: str) -> None:
    """Refuse what a model drew, or had a part in.

    Raises:
        RenditionError: It did.
    """
    if not is_photographed(source_type):
        term = source_type.rpartition("/")[2]
        raise RenditionError(
            f"{channel.name} takes photographed products only, and this image is marked as "
            f"{term}. Ask for `mode` cutout with a photograph, or for amazon_secondary."
        )


def _scene(
    pixels: Pixels, preset: ChannelRules, alpha: Alpha | None, box: Box | None
) -> Scene | None:
    """Look at a picture; who keeps it as it was drawn need not know what is in it."""
    if not preset.square and preset.ground is not Ground.WHITE:
        return None
    if alpha is not None:
        return known(pixels, alpha)
    return look(pixels) if box is None else known_in(pixels, box)


SOLID = 128
"""Alpha, of 255, from which on a pixel of a transparent picture is its product's; shadows have
less."""


def product_alpha(original: bytes) -> Alpha | None:
    """Return the product's alpha by a picture's own transparency; None: it has none."""
    transparency = open_alpha(original, most_pixels=MOST_PIXELS)
    if transparency is None:
        return None
    alpha = np.asarray(transparency)
    return np.where(alpha >= SOLID, alpha, 0).astype(np.uint8)


def _fitted(
    pixels: Pixels,
    scene: Scene | None,
    framing: Framing,
    writer: Writer,
    watermark: ImageWatermark | None,
) -> tuple[bytes, Framing]:
    """Find the largest and best file within the channel's bytes."""
    channel = writer.channel
    preset = channel.preset
    while True:
        picture = _drawn(pixels, scene, framing)
        if watermark is not None:
            picture = _marked(picture, watermark, writer.source_type, white=scene is not None)
        body = writer.write(picture)
        if body is not None:
            return body, framing
        framing = framing.shrunk(SMALLER)
        if min(framing.size) < preset.smallest:
            raise RenditionError(
                f"As {channel.format.value} the image has more than the "
                f"{preset.max_bytes / 1e6:g} MB that {channel.name} takes, even at "
                f"{preset.smallest} pixels. Ask for {channel.name.partition('.')[0]} in another "
                f"format: {', '.join(preset.formats)}."
            )


def _marked(
    picture: Image.Image, watermark: ImageWatermark, source_type: str, *, white: bool
) -> Image.Image:
    """Write a watermark, and leave exact white exact."""
    pixels = np.asarray(picture)
    keep = (pixels == WHITE).all(axis=2) if white else None
    return Image.fromarray(watermark.mark(pixels, source_type, keep))


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
