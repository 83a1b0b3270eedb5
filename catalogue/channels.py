"""Sales channels, what each wants of an image file, and where a rendition falls short of it.

The figures are those of `docs/channels.md`, which names where they come from.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from catalogue.issues import Issues
from catalogue.names import suggestion
from core.domain.image_request import ImageRequest
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
class ChannelRules:
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
    slot: str = "PT{:02}"
    """What a file name has for the number of an image."""
    photographed: bool = False
    """Whether it takes cut-outs of photographs on white, and nothing that a model drew."""
    least_fill: float | None = None
    """Share of the frame's side that the product has to take; None: any."""


_NOT_OF_FILES = ("slot", "photographed", "least_fill")
"""Figures that no file is made by."""


PRESETS: Mapping[str, ChannelRules] = {
    # 500 × 500 for everything from 2027-01-31; the product takes 75 to 90 % of the frame.
    "google_merchant": ChannelRules(
        formats=(Format.JPEG, Format.WEBP, Format.PNG),
        smallest=500, largest=1500, max_bytes=16 * MEGABYTE, fill=0.85,
    ),
    # 1000 pixels for the zoom, 10,000 at most; exactly white, and 85 % of the frame.
    "amazon_main": ChannelRules(
        formats=(Format.JPEG, Format.PNG),
        smallest=1000, largest=10_000, max_bytes=10 * MEGABYTE, fill=0.88, slots=1, slot="MAIN",
        photographed=True, least_fill=0.85,
    ),
    # What is drawn goes into the secondary slots: a main image must be a photograph.
    "amazon_secondary": ChannelRules(
        formats=(Format.JPEG, Format.PNG),
        smallest=500, largest=1600, max_bytes=10 * MEGABYTE, fill=0.88, slots=99,
    ),
    "walmart": ChannelRules(
        formats=(Format.JPEG, Format.PNG),
        smallest=1500, largest=2200, max_bytes=5 * MEGABYTE, fill=0.85,
    ),
    "ebay": ChannelRules(
        formats=(Format.JPEG, Format.PNG, Format.WEBP),
        smallest=500, largest=1600, max_bytes=12 * MEGABYTE, fill=0.85,
    ),
    "shopify": ChannelRules(
        formats=(Format.JPEG, Format.PNG, Format.WEBP),
        smallest=1, largest=2048, max_bytes=20 * MEGABYTE, fill=0.8,
    ),
    "web": ChannelRules(
        formats=(Format.WEBP, Format.AVIF, Format.JPEG, Format.PNG),
        smallest=1, largest=2048, max_bytes=2 * MEGABYTE, ground=Ground.KEEP, square=False,
    ),
    "thumbnail": ChannelRules(
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
    preset: ChannelRules
    format: Format

    @property
    def spec(self) -> str:
        """Digest what renditions are made by: others than these are made anew."""
        made_by = asdict(self.preset)
        for name in _NOT_OF_FILES:
            del made_by[name]
        said = {"revision": REVISION, "format": self.format, **made_by}
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


_DRAWN: Mapping[str, str] = {
    "text": "this image is drawn by a model",
    "scene": "this image has a background that a model drew",
    "edit": "this image is a photograph that a model changed",
}


def refusal(channel: Channel, mode: str) -> str | None:
    """Return why a channel takes no image of a mode; None: it does.

    Args:
        channel: What the image is wanted for.
        mode: How it is made: `text`, `cutout`, `scene` or `edit`.
    """
    drawn = _DRAWN.get(mode)
    if drawn is None or not channel.preset.photographed:
        return None
    return (
        f"{channel.name} takes photographed products on white only, and {drawn}. Ask for "
        "`mode` cutout with a photograph, or for amazon_secondary."
    )


def check_channels(
    wanted: Sequence[ImageRequest], channels: Sequence[Channel], issues: Issues
) -> None:
    """Note images that a channel takes none of, once for each channel and reason.

    Args:
        wanted: The images, in the order of the sheet.
        channels: Those that all of them are wanted for.
        issues: Where it is noted, at the first of them.
    """
    for channel in channels:
        if not channel.preset.photographed:
            continue
        refused: dict[str, list[ImageRequest]] = {}
        for one in wanted:
            if reason := refusal(channel, mode_of(one)):
                refused.setdefault(reason, []).append(one)
        for reason, images in refused.items():
            more = f" This concerns {len(images):,} images." if len(images) > 1 else ""
            issues.add(reason + more, line=images[0].line, column="channels")


def mode_of(one: ImageRequest) -> str:
    """Return how an image is made."""
    return one.spec.mode.value


def round_factor(factor: float | None) -> float | None:
    """Round an enlargement to what a reader can use: 2.3, 12; None where none is to be seen."""
    if factor is None:
        return None
    rounded = round(factor, 1) if factor < 10 else float(round(factor))
    return rounded if rounded > 1 else None


def note_on(
    channel: Channel,
    *,
    ground: str,
    upscaled: float | None,
    unclear: bool = False,
    fill: float | None = None,
) -> str | None:
    """Describe where a rendition falls short of its channel's rules; None: nowhere.

    Args:
        channel: What it was made for.
        ground: What its background is: `white` or `kept`.
        upscaled: By how much, where there were too few pixels.
        unclear: Whether it was made white although the product can hardly be told from it.
        fill: Share of the frame's side that the product takes; None: it is as it was.
    """
    notes = []
    least = channel.preset.least_fill
    if least is not None and (fill is None or fill < least):
        takes = "an unknown share" if fill is None else f"{fill:.0%}"
        notes.append(
            f"The product takes {takes} of the frame, and {channel.name.partition('.')[0]} wants "
            f"{least:.0%}: the photograph cuts it off, or its shadow is wide. Ask for no shadow, "
            "or send a photograph with all of it."
        )
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
