"""One image as one channel wants it: framed, its ground made white, within its bytes."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from catalogue.channels import Channel, ChannelRules, Ground
from catalogue.renditions.backdrop import Mask
from catalogue.renditions.scene import Alpha, Box, Pixels, Scene, known, known_in, look
from catalogue.renditions.writer import Writer
from core.errors import PackshotError
from core.pictures.credentials import Credentials
from core.pictures.marking import ImageWatermark
from core.pictures.opening import open_alpha, open_rgb
from core.pictures.provenance import is_photographed

WHITE = 255


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A rectangle in the picture's pixels, which may reach beyond it."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Framing:
    """A frame, and the size that it gets."""

    frame: Frame
    size: tuple[int, int]
    """Width and height, in pixels."""

    @property
    def scale(self) -> float:
        """Return how many of its pixels one of the picture's becomes."""
        return self.size[0] / self.frame.width

    def shrunk(self, factor: float) -> "Framing":
        """Return the same frame with smaller sides."""
        width, height = (max(1, math.floor(side * factor)) for side in self.size)
        return Framing(frame=self.frame, size=(width, height))


def choose(
    width: int, height: int, box: Box | None, preset: ChannelRules, shown: Box | None = None
) -> Framing:
    """Choose what a channel is shown of a picture, and how large.

    Args:
        width: The picture's, in pixels.
        height: The picture's, in pixels.
        box: Around the product; None: the frame stays as the model chose it.
        preset: What the channel wants.
        shown: Around the product and its shadow, which is not cut: the product is smaller then.
    """
    if not preset.square:
        longest, shortest = max(width, height), min(width, height)
        scale = max(min(1.0, preset.largest / longest), preset.smallest / shortest)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return Framing(frame=Frame(left=0, top=0, width=width, height=height), size=size)
    side: float = max(width, height)
    across, down = width / 2, height / 2
    if box is not None and preset.fill is not None:
        side = box.longest / preset.fill
        across, down = (box.left + box.right) / 2, (box.top + box.bottom) / 2
        side = max(side, 2 * _farthest(shown or box, across, down))
    frame = Frame(left=across - side / 2, top=down - side / 2, width=side, height=side)
    pixels = min(max(round(side), preset.smallest), preset.largest)
    return Framing(frame=frame, size=(pixels, pixels))


def _farthest(box: Box, across: float, down: float) -> float:
    """Measure how far a box reaches from a point, sideways, up or down."""
    return max(across - box.left, box.right - across, down - box.top, box.bottom - down)


def cut(pixels: Pixels, framing: Framing, *, white: bool) -> Image.Image:
    """Show what is in the frame, at its size; beyond the picture white, or what its edge is."""
    padded = _padded(pixels, framing.frame, white=white)
    return _shown(padded, framing, Image.Resampling.LANCZOS)


def cut_mask(mask: Mask, framing: Framing) -> Image.Image:
    """Show a mask in the same frame: mode L, 255 where it holds, and beyond the picture."""
    levels = mask.astype(np.uint8) * np.uint8(WHITE)
    return _shown(_padded(levels, framing.frame, white=True), framing, Image.Resampling.BILINEAR)


def _padded(pixels: Pixels, frame: Frame, *, white: bool) -> tuple[Pixels, int, int]:
    """Add what the frame wants beyond the picture; give also how much at the left and the top."""
    height, width = pixels.shape[:2]
    left, top = _beyond(-frame.left), _beyond(-frame.top)
    right = _beyond(frame.left + frame.width - width)
    bottom = _beyond(frame.top + frame.height - height)
    sides = [(top, bottom), (left, right)] + [(0, 0)] * (pixels.ndim - 2)
    if white:
        return np.pad(pixels, sides, constant_values=WHITE), left, top
    return np.pad(pixels, sides, mode="edge"), left, top


def _beyond(distance: float) -> int:
    return max(0, math.ceil(distance))


def _shown(
    padded: tuple[Pixels, int, int], framing: Framing, resampling: Image.Resampling
) -> Image.Image:
    pixels, left, top = padded
    frame = framing.frame
    x, y = frame.left + left, frame.top + top
    right = min(x + frame.width, pixels.shape[1])
    bottom = min(y + frame.height, pixels.shape[0])
    box = (max(0.0, x), max(0.0, y), right, bottom)
    return Image.fromarray(pixels).resize(framing.size, resampling, box=box)


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
    framing = choose(width, height, product, preset, shown)
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
