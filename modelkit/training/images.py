"""A folder of captioned images, as Hugging Face's `imagefolder` has it or with a text beside each.

metadata.jsonl has a line for each image: {"file_name": "mugs/7.jpg", "text": "a red mug"}. Without
such a file, the caption of mugs/7.jpg is what mugs/7.txt says.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from core.errors import BundleError, InvalidImageError
from core.pictures.opening import open_rgb

METADATA = "metadata.jsonl"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff"})
FEWEST = 5
"""Images that a model can be adapted to at all; DreamBooth (Ruiz et al., 2022, arXiv 2208.12242)
gets by with three to five."""
SHOWN = 5
"""Most names in one sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Captioned:
    """An image file and what it shows."""

    path: Path
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionedImages:
    """What a folder has, and what of it cannot be used."""

    images: tuple[Captioned, ...]
    """In the order of their names."""
    skipped: tuple[str, ...] = field(default=())
    """A sentence for each file that is left out."""


def read_folder(folder: Path) -> CaptionedImages:
    """Find the captioned images of a folder and the folders in it; reads no pixels.

    An image without a caption, or a caption without its image, is skipped and named.

    Raises:
        BundleError: There is no such folder, its metadata is damaged, or it has too few captioned
            images.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder: give one with images and their captions")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise BundleError(f"{folder} has no images: give a folder with PNG, JPEG or WebP files")
    listed = folder / METADATA
    captions = _listed(listed) if listed.is_file() else dict(_beside(found))
    images = [Captioned(path=path, text=captions[path]) for path in found if path in captions]
    if not images:
        raise BundleError(
            f"{folder} has no captions: write {METADATA} with a line like "
            '{"file_name": "7.jpg", "text": "a red mug"} for each image, or 7.txt beside 7.jpg'
        )
    skipped = [f"{path} has no caption" for path in found if path not in captions]
    skipped += [f"{listed} names {path}, which is no image here"
                for path in sorted(captions.keys() - set(found))]  # fmt: skip
    require_enough(len(images), folder, skipped)
    return CaptionedImages(images=tuple(images), skipped=tuple(skipped))


def require_enough(count: int, folder: Path, skipped: list[str]) -> None:
    """Refuse to train on next to nothing.

    Raises:
        BundleError: `count` usable images of the folder are too few; it says what was skipped.
    """
    if count < FEWEST:
        why = f" ({list_some(skipped)})" if skipped else ""
        raise BundleError(
            f"{folder} has {count} usable images{why}: "
            f"give at least {FEWEST}, and better some hundreds"
        )


def list_some(sentences: list[str]) -> str:
    """Join the first few sentences, and count the rest."""
    more = f"; and {len(sentences) - SHOWN} more" if len(sentences) > SHOWN else ""
    return "; ".join(sentences[:SHOWN]) + more


def _listed(path: Path) -> dict[Path, str]:
    """Read metadata.jsonl, as absolute-or-not as `path` is."""
    captions = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} cannot be read ({error}): save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            name, text = record["file_name"], record["text"]
            if not isinstance(name, str) or not isinstance(text, str):
                raise TypeError("file_name and text must be strings")
        except (ValueError, TypeError, KeyError) as error:
            raise BundleError(
                f"{path}, line {number} is no caption ({error!r}): "
                'write {"file_name": "7.jpg", "text": "a red mug"}'
            ) from error
        if text.strip():
            captions[path.parent / name] = text.strip()
    return captions


def _beside(images: list[Path]) -> Iterator[tuple[Path, str]]:
    for path in images:
        text = path.with_suffix(".txt")
        try:
            caption = text.read_text(encoding="utf-8-sig").strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise BundleError(f"{text} cannot be read ({error}): save it as UTF-8") from error
        if caption:
            yield path, caption


def load_pixels(path: Path, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Read an image as (height, width, 3) RGB.

    It is scaled to cover that size and cropped around its middle, turned as its camera was held,
    and white where it is transparent.

    Raises:
        OSError: It is no image that can be read, a damaged one, or larger than memory should hold.
    """
    try:
        image = open_rgb(path)
    except InvalidImageError as error:
        raise OSError(error.detail) from error
    fitted = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted)
