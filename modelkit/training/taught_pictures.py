"""Pictures that a bundle draws, and their latents: what a decoder is distilled from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from bundles.manifest import Manifest
from bundles.plan import Plan
from modelkit.evaluation.parity import draw
from modelkit.export.source import Profile
from modelkit.progress import Progress
from modelkit.prompts import calibration_prompts
from worker.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True, slots=True)
class TaughtPicture:
    """What the teacher made of a picture's latents."""

    latents: torch.Tensor
    """(channels, height, width) float32, as the UNet draws them."""
    image: torch.Tensor
    """(3, pixels, pixels) uint8."""


class _Listening(Pipeline):
    """Remembers what was decoded last."""

    decoded: NDArray[np.float32]

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        self.decoded = np.array(latents, np.float32)
        return super().decode(latents)


def draw_pictures(
    bundle: Path, manifest: Manifest, count: int, folder: Path, say: Progress
) -> list[TaughtPicture]:
    """Draw pictures by the bundle's defaults: each as it is, then mirrored."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number:05}.safetensors" for number in range(count)]
    missing = [number for number, file in enumerate(files) if not file.is_file()]
    say.stage("draw pictures to learn from", len(missing))
    if missing:
        pipeline = _Listening(bundle, precision="f32", plan=Plan())
        known = Profile(name=manifest.family, prompts=manifest.prompts)
        prompts = calibration_prompts(known, count)
        for number in missing:
            draw(pipeline, prompts[number], number, manifest.defaults)
            latents = np.concatenate([pipeline.decoded, pipeline.decoded[..., ::-1]])
            images = np.concatenate([pipeline.decode(one[None]) for one in latents])
            _save(files[number], latents, images)
            say.advance()
    return [pair for file in files for pair in _load(file)]


def _save(file: Path, latents: NDArray[np.float32], images: NDArray[np.uint8]) -> None:
    """Write a picture's pairs aside and rename them: a crash leaves all of them or none."""
    aside = file.with_suffix(".part")
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    tensors = {"latents": np.ascontiguousarray(latents), "images": pixels}
    save_file({name: torch.from_numpy(one) for name, one in tensors.items()}, aside)
    aside.replace(file)


def _load(file: Path) -> list[TaughtPicture]:
    known = load_file(file)
    both = zip(known["latents"], known["images"], strict=True)
    return [TaughtPicture(latents=latents, image=image) for latents, image in both]
