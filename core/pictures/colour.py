"""Any mode and colour profile of a picture to sRGB."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from core.pictures.photograph_errors import UnreadablePhotographError

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_SPACES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}
"""Pillow's modes by the colour space that a profile says it is for."""
_PRECISION = {
    "RGB": ImageCms.Flags.NONE,
    "GRAY": ImageCms.Flags.NONE,
    "CMYK": ImageCms.Flags.NOOPTIMIZE,
}
"""Little CMS's own table for inks is up to 18 levels off; without it a conversion takes 0.4 µs a
pixel more."""
_SAME = 1
"""Levels by which a profile may differ from sRGB and still count as sRGB: rounding there and back
is no change that anybody wants."""


def to_srgb(picture: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """Convert a picture of any mode to RGBA in sRGB.

    Args:
        picture: As it was read; it may be changed.
        profile: Its ICC profile; None: it is taken for sRGB, and inks for those of no special
            press, R = (1 − C)(1 − K).
        notes: Where a sentence is added if the profile cannot be used.

    Raises:
        UnreadablePhotographError: Its numbers have no known range.
    """
    opaque, alpha = _apart(_at_eight_bits(picture))
    if profile:
        opaque = _managed(opaque, profile, notes)
    colour = opaque.convert("RGB")
    if alpha is None:
        return colour.convert("RGBA")
    colour.putalpha(alpha)
    return colour


def _at_eight_bits(picture: Image.Image) -> Image.Image:
    """Bring greys of 16 bits to 8; Pillow has every other picture in 8 already."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    levels = np.asarray(picture)
    if picture.mode == "F" or levels.min() < 0 or levels.max() > 65535:
        raise UnreadablePhotographError(
            "The file has numbers of 32 bits, whose white is unknown. Save it as PNG or JPEG, in 8 "
            "or 16 bits."
        )
    # 65535 is 257 × 255.
    grey = Image.fromarray(((levels.astype(np.uint32) + 128) // 257).astype(np.uint8))
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(levels == transparent, 0, 255).astype(np.uint8)))
    return grey


def _apart(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Take colours and transparency apart, where a picture has any."""
    if not picture.has_transparency_data:
        plain = picture.mode if picture.mode in _SPACES.values() else "RGB"
        return picture.convert("L" if picture.mode == "1" else plain), None
    whole = picture if picture.mode in {"RGBA", "LA"} else picture.convert("RGBA")
    alpha = whole.getchannel("A")
    return whole.convert("L" if whole.mode == "LA" else "RGB"), alpha


def _managed(picture: Image.Image, body: bytes, notes: list[str]) -> Image.Image:
    """Convert by a profile, if it is one and fits the picture."""
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(body))
        space = profile.profile.xcolor_space.strip()
        mode = _SPACES.get(space)
        # Greys in a file whose profile is for RGB are RGB with three equal channels.
        if mode == "RGB" and picture.mode == "L":
            picture = picture.convert("RGB")
        if mode != picture.mode:
            notes.append(
                f"The colour profile is for {space} and the pixels are {picture.mode}, so it was "
                "ignored: colours may be a little off."
            )
            return picture
        transform = ImageCms.buildTransform(
            profile,
            _SRGB,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION | _PRECISION[space],
        )
        if mode == "RGB" and _changes_nothing(transform):
            return picture
        return transform.apply(picture)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append(
            "The colour profile is damaged, so it was ignored: colours may be a little off."
        )
        return picture


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Try a transform on 17³ colours."""
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3)
    changed = np.asarray(transform.apply(Image.fromarray(cube)))
    return bool(np.abs(changed.astype(np.int16) - cube).max() <= _SAME)
