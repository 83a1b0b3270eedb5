"""A folder of captioned images, as Hugging Face's `imagefolder` has it or with a text beside each.

metadata.jsonl has a line for each image: {"file_name": "mugs/7.jpg", "text": "a red mug"}. Without
such a file, the caption of mugs/7.jpg is what mugs/7.txt says.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image, ImageOps

from core.errors import BundleError, InvalidImageError
from core.pictures.opening import open_rgb
from modelkit.export.configuration import autoencoder_class
from modelkit.export.conversion import load_part
from modelkit.export.source import content_hash
from modelkit.progress import Progress
from modelkit.training.device import Device

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
    found = _find_images(folder)
    listed = folder / METADATA
    captions = _listed(listed) if listed.is_file() else dict(_beside(found))
    images = [Captioned(path=path, text=captions[path]) for path in found if path in captions]
    if not images:
        raise BundleError(
            f"{folder} has no captions: write {METADATA} with a line like "
            '{"file_name": "7.jpg", "text": "a red mug"} for each image, or 7.txt beside 7.jpg.'
        )
    skipped = [f"{path} has no caption" for path in found if path not in captions]
    skipped += [f"{listed} names {path}, which is no image here"
                for path in sorted(captions.keys() - set(found))]  # fmt: skip
    require_enough(len(images), folder, skipped)
    return CaptionedImages(images=tuple(images), skipped=tuple(skipped))


def _find_images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder: give one with images and their captions.")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise BundleError(f"{folder} has no images: give a folder with PNG, JPEG or WebP files.")
    return found


def require_enough(count: int, folder: Path, skipped: list[str]) -> None:
    """Refuse to train on next to nothing.

    Raises:
        BundleError: `count` usable images of the folder are too few; it says what was skipped.
    """
    if count < FEWEST:
        why = f" ({list_some(skipped)})" if skipped else ""
        raise BundleError(
            f"{folder} has {count} usable images{why}: "
            f"give at least {FEWEST}, and better some hundreds."
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
        raise BundleError(f"{path} cannot be read ({error}): save it as UTF-8.") from error
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
                'write {"file_name": "7.jpg", "text": "a red mug"}.'
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
            raise BundleError(f"{text} cannot be read ({error}): save it as UTF-8.") from error
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


ROWS = 4
"""Images in one call of the encoder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One image to learn from."""

    text: str
    files: tuple[Path, ...]
    """Its latents, and those of its mirror image if there are any."""

    def latents(self, choice: int = 0) -> torch.Tensor:
        """Read (channels, height, width) float32, scaled as the UNet knows them."""
        return torch.from_numpy(np.load(self.files[choice % len(self.files)])).float()


class LatentStore:
    """Latents of images at one size, a file each, named by all that they were made from.

    So an interrupted encoding goes on where it stopped.
    """

    def __init__(self, folder: Path, source: Path, *, width: int, height: int) -> None:
        """Keep latents in `folder`, made by the autoencoder of the diffusers folder `source`."""
        self._folder = folder
        self._source = source
        self._size = (width, height)
        self._made_by = content_hash(source / "vae", {"width": width, "height": height})

    def encode(
        self, images: Sequence[Captioned], *, flip: bool, device: Device, say: Progress
    ) -> tuple[list[Example], list[str]]:
        """Encode what is not in store yet.

        Args:
            images: What to encode.
            flip: Whether to encode each one's mirror image too.
            device: Where to compute.
            say: Told of every encoded image.

        Returns:
            The examples in the images' order, and a sentence for each image that cannot be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        found, skipped = [], []
        for image in images:
            try:
                found.append((image, self._files(image.path, flip=flip)))
            except OSError as error:
                skipped.append(f"{image.path} cannot be read ({error})")
        missing = {
            file: (image.path, mirrored)
            for image, files in found
            for mirrored, file in enumerate(files)
            if not file.is_file()
        }
        damaged = self._encode(missing, device, say)
        examples = []
        for image, files in found:
            if files[0] in damaged:
                skipped.append(f"{image.path} cannot be read ({damaged[files[0]]})")
            else:
                examples.append(Example(text=image.text, files=files))
        return examples, skipped

    def _encode(
        self, missing: dict[Path, tuple[Path, int]], device: Device, say: Progress
    ) -> dict[Path, OSError]:
        """Fill files with latents of images, mirrored or not; return what could not be read."""
        damaged: dict[Path, OSError] = {}
        if not missing:
            return damaged
        say.stage("encode the images", len(missing))
        folder = self._source / "vae"
        autoencoder = load_part(autoencoder_class(folder), folder).to(device.name)
        wanted = list(missing.items())
        for start in range(0, len(wanted), ROWS):
            pixels: dict[Path, npt.NDArray[np.uint8]] = {}
            for file, (path, mirrored) in wanted[start : start + ROWS]:
                try:
                    image = load_pixels(path, *self._size)
                    pixels[file] = image[:, ::-1] if mirrored else image
                except OSError as error:
                    damaged[file] = error
                say.advance()
            _write(autoencoder, pixels)
        return damaged

    def _files(self, path: Path, *, flip: bool) -> tuple[Path, ...]:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        name = hashlib.sha256(f"{self._made_by}/{content}".encode()).hexdigest()
        return tuple(self._folder / f"{name}{end}.npy" for end in ("", "-mirrored")[: 1 + flip])


@torch.no_grad()
def _write(
    autoencoder: AutoencoderKL | AutoencoderTiny, pixels: dict[Path, npt.NDArray[np.uint8]]
) -> None:
    """Encode (height, width, 3) uint8 images to the latents that are most likely; store each."""
    if not pixels:
        return
    images = torch.from_numpy(np.stack(list(pixels.values()))).permute(0, 3, 1, 2)
    images = images.to(autoencoder.device).float() / 127.5 - 1
    encoded = autoencoder.encode(images)
    # A tiny autoencoder knows no distribution.
    tiny = isinstance(autoencoder, AutoencoderTiny)
    latents = encoded.latents if tiny else encoded.latent_dist.mode()
    latents = latents * autoencoder.config.scaling_factor
    for file, one in zip(pixels, latents.half().cpu().numpy(), strict=True):
        aside = file.with_suffix(".new")
        with aside.open("wb") as opened:
            np.save(opened, one, allow_pickle=False)
        os.replace(aside, file)
