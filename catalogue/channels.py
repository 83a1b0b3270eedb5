"""Sales channels, what each wants of an image file, and where a rendition falls short of it.

The figures are those of `docs/channels.md`, which names where they come from.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from catalogue.names import suggestion
from core.pictures.formats import Format

MEGABYTE = 10**6
LONGEST_NAME = 40
"""Characters of a name that are looked at."""
REVISION = 2
"""Raised when renditions come out differently although no figure below changed: those that are
stored are then made again."""


class Ground(StrEnum):
    """What becomes of the background."""

    WHITE = "white"
    """Exactly 255, 255, 255 where it is white already, but for what the model left."""
    KEEP = "keep"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What one channel wants."""

    formats: Sequence[Format]
    """What it takes; the first is what it gets if nobody says otherwise."""
    smallest: int
    """Pixels of a side, below which an image is scaled up."""
    largest: int
    """Pixels of a side, above which it is scaled down."""
    max_bytes: int
    ground: Ground = Ground.WHITE
    square: bool = True
    fill: float | None = None
    """Share of the frame's side that the product's longer side takes; None: as it is."""
    slots: int | None = None
    """Most images of one product, where file names number them: `SKU.PT01.jpg`."""


PRESETS: Mapping[str, Preset] = {
    # 500 × 500 for everything from 2027-01-31; the product takes 75 to 90 % of the frame.
    "google_merchant": Preset(
        formats=(Format.JPEG, Format.WEBP, Format.PNG),
        smallest=500, largest=1500, max_bytes=16 * MEGABYTE, fill=0.85,
    ),
    # Secondary slots only: a main image must be a photograph.
    "amazon_secondary": Preset(
        formats=(Format.JPEG, Format.PNG),
        smallest=500, largest=1600, max_bytes=10 * MEGABYTE, fill=0.88, slots=99,
    ),
    "walmart": Preset(
        formats=(Format.JPEG, Format.PNG),
        smallest=1500, largest=2200, max_bytes=5 * MEGABYTE, fill=0.85,
    ),
    "ebay": Preset(
        formats=(Format.JPEG, Format.PNG, Format.WEBP),
        smallest=500, largest=1600, max_bytes=12 * MEGABYTE, fill=0.85,
    ),
    "shopify": Preset(
        formats=(Format.JPEG, Format.PNG, Format.WEBP),
        smallest=1, largest=2048, max_bytes=20 * MEGABYTE, fill=0.8,
    ),
    "web": Preset(
        formats=(Format.WEBP, Format.AVIF, Format.JPEG, Format.PNG),
        smallest=1, largest=2048, max_bytes=2 * MEGABYTE, ground=Ground.KEEP, square=False,
    ),
    "thumbnail": Preset(
        formats=(Format.WEBP, Format.AVIF, Format.JPEG, Format.PNG),
        smallest=1, largest=256, max_bytes=MEGABYTE // 10, ground=Ground.KEEP, square=False,
    ),
}  # fmt: skip
"""By the channel's name."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel in one of its formats."""

    name: str
    """As callers write it: `web`, or `web.avif` for another than its first format."""
    preset: Preset
    format: Format

    @property
    def spec(self) -> str:
        """Digest what renditions are made by: others than these are made anew."""
        said = {"revision": REVISION, "format": self.format, **asdict(self.preset)}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class UnknownChannelError(ValueError):
    """There is no such channel, or it does not take that format; the message says what there is."""


def find_channel(name: str) -> Channel:
    """Find a channel by what callers write: `walmart`, or `walmart.png`.

    Raises:
        UnknownChannelError: There is none of that name.
    """
    # Shown in the error, and compared with what there is.
    name = name[:LONGEST_NAME]
    base, dot, wanted = name.strip().lower().partition(".")
    preset = PRESETS.get(base)
    if preset is None:
        raise UnknownChannelError(
            f"There is no channel {name!r}; there are {', '.join(PRESETS)}."
            f"{suggestion(base, PRESETS)}"
        )
    if not dot:
        return Channel(name=base, preset=preset, format=preset.formats[0])
    found = next((one for one in preset.formats if wanted in (one.value, one.extension)), None)
    if found is None:
        known = ", ".join(preset.formats)
        raise UnknownChannelError(f"{base} does not accept {wanted!r}; it accepts {known}.")
    first = found is preset.formats[0]
    return Channel(name=base if first else f"{base}.{found}", preset=preset, format=found)


def round_factor(factor: float | None) -> float | None:
    """Round an enlargement to what a reader can use: 2.3, 12; None where none is to be seen."""
    if factor is None:
        return None
    rounded = round(factor, 1) if factor < 10 else float(round(factor))
    return rounded if rounded > 1 else None


def note_on(
    channel: Channel, *, ground: str, upscaled: float | None, unclear: bool = False
) -> str | None:
    """Describe where a rendition falls short of its channel's rules; None: nowhere.

    Args:
        channel: What it was made for.
        ground: What its background is: `white` or `kept`.
        upscaled: By how much, where there were too few pixels.
        unclear: Whether it was made white although the product can hardly be told from it.
    """
    notes = []
    if unclear:
        notes.append(
            "The product can hardly be told from its white background: parts of it may have "
            "become white. Look at it, and ask for a darker background if they have."
        )
    if channel.preset.ground is Ground.WHITE and ground != Ground.WHITE:
        notes.append(
            f"The background is not white, as {channel.name.partition('.')[0]} wants it: it was "
            "drawn in another colour, and kept."
        )
    if factor := round_factor(upscaled):
        notes.append(f"It was enlarged {factor:g}×, which adds no detail.")
    return " ".join(notes) or None
