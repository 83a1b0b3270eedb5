"""Images as latents, encoded once and kept on disk."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL

from modelkit.export.source import content_hash
from modelkit.progress import Progress
from modelkit.training.device import Device
from modelkit.training.images import Captioned, load_pixels
from modelkit.training.models import load_autoencoder

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
        autoencoder = load_autoencoder(self._source).to(device.name)
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
def _write(autoencoder: AutoencoderKL, pixels: dict[Path, npt.NDArray[np.uint8]]) -> None:
    """Encode (height, width, 3) uint8 images to the mode of the posterior, and store each."""
    if not pixels:
        return
    images = torch.from_numpy(np.stack(list(pixels.values()))).permute(0, 3, 1, 2)
    images = images.to(autoencoder.device).float() / 127.5 - 1
    latents = autoencoder.encode(images).latent_dist.mode() * autoencoder.config.scaling_factor
    for file, one in zip(pixels, latents.half().cpu().numpy(), strict=True):
        aside = file.with_suffix(".new")
        with aside.open("wb") as opened:
            np.save(opened, one, allow_pickle=False)
        os.replace(aside, file)
