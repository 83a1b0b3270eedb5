"""What diffusers' own pipeline draws with a model: what a bundle of it is compared with."""

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from bundles.manifest import Defaults
from bundles.records import INDEX, pipeline_kind, read_json
from core.domain.schedulers import SCHEDULERS, corrected
from core.errors import BundleError
from modelkit.evaluation.similarity import Pixels
from modelkit.export.architecture import weighted_parts
from modelkit.export.configuration import autoencoder_class, decoder_folder, scheduler_class
from modelkit.export.conversion import load_decoder, load_part
from modelkit.export.pipelines import (
    left_out,
    rescale_option,
    text_options,
    text_parts,
    text_to_image,
)
from modelkit.export.weights import find_weights

FEW_STEPS, FEW_STEP_SCHEDULER = "LatentConsistencyModelPipeline", "LCMScheduler"
"""The one that takes one scheduler only, and that scheduler."""


class DiffusersReference:
    """The diffusers pipeline of a source, in FP32 arithmetic.

    Nothing here is packshot's own reading: parts, scheduler and corrections are what the libraries
    make of the source's files.
    """

    def __init__(self, source: Path, *, unet: Any = None, halves: bool = False) -> None:
        """Load the model.

        Args:
            source: A folder in diffusers' layout.
            unet: Called in place of the source's UNet; it has `config` and `dtype`.
            halves: Whether weights are rounded to FP16, as those of most bundles are.

        Raises:
            BundleError: A part is missing or damaged.
        """
        self._source = source
        self._index = read_json(source / INDEX)
        self._parts = {
            "vae": _part(autoencoder_class(source / "vae"), source / "vae", halves=halves),
            "unet": unet or _part(UNet2DConditionModel, source / "unet", halves=halves),
            **text_parts(source, partial(_part, halves=halves)),
        }
        scheduler = scheduler_class(source).from_pretrained(
            source / "scheduler", local_files_only=True
        )
        few = pipeline_kind(self._index) == FEW_STEPS
        own = (
            FEW_STEPS
            if few and type(scheduler).__name__ == FEW_STEP_SCHEDULER
            else text_to_image(self._index, self._parts["unet"].config)
        )
        self._own = self._assemble(own, scheduler)
        decodes = decoder_folder(source)
        self._decoder = (
            self._parts["vae"]
            if decodes == source / "vae"
            else _rounded(load_decoder(decodes), halves=halves)
        )
        self._pipelines: dict[str, Any] = {}

    def draw(self, prompt: str, seed: int, defaults: Defaults) -> Pixels:
        """Draw an image with a generator of its own.

        Args:
            prompt: What to draw.
            seed: Of the generator.
            defaults: Size, steps, guidance, negative prompt and scheduler; guidance is on
                throughout, as diffusers knows nothing of intervals.

        Returns:
            (height, width, 3) RGB.

        Raises:
            BundleError: diffusers cannot draw it, or its numbers are not finite.
        """
        return self.decode(self.latents(prompt, seed, defaults))

    def draw_all(
        self, prompts: Sequence[str], seeds: Sequence[int], defaults: Defaults
    ) -> Iterator[Pixels]:
        """Draw an image per prompt and seed; see `draw`."""
        for prompt, seed in zip(prompts, seeds, strict=True):
            yield self.draw(prompt, seed, defaults)

    def latents(self, prompt: str, seed: int, defaults: Defaults) -> npt.NDArray[np.float32]:
        """Return the latents of such an image, (1, channels, height, width); see `draw`."""
        pipeline = self._pipeline(defaults.scheduler)
        options = text_options(pipeline, width=defaults.width, height=defaults.height)
        if type(pipeline).__name__ != FEW_STEPS:
            # None is the empty text, or zeros where the model wants these.
            options["negative_prompt"] = defaults.negative_prompt or None
            options |= rescale_option(pipeline, defaults.guidance_rescale)
        try:
            drawn = pipeline(
                prompt,
                num_inference_steps=defaults.steps,
                guidance_scale=defaults.guidance_scale,
                width=defaults.width,
                height=defaults.height,
                generator=torch.Generator().manual_seed(seed),
                output_type="latent",
                **options,
            )
        except (ValueError, TypeError, NotImplementedError, RuntimeError, IndexError) as error:
            raise self._cannot_draw(defaults.scheduler, error) from error
        latents: npt.NDArray[np.float32] = drawn.images.numpy()
        self._check(latents)
        return latents

    @torch.no_grad()
    def decode(self, latents: npt.NDArray[np.float32]) -> Pixels:
        """Decode (1, channels, height, width) as the pipeline does at its end."""
        vae = self._decoder
        decoded = vae.decode(torch.from_numpy(latents) / vae.config.scaling_factor).sample
        self._check(decoded.numpy())
        (image,) = self._own.image_processor.postprocess(decoded, output_type="pil")
        return np.asarray(image)

    def _pipeline(self, scheduler: str) -> Any:
        """Return the pipeline with a scheduler, which keeps nothing from one image to the next."""
        kind = getattr(diffusers, SCHEDULERS[scheduler])
        if type(self._own.scheduler) is kind:
            return self._own
        if scheduler not in self._pipelines:
            kind = text_to_image(self._index, self._parts["unet"].config)
            pipeline = self._assemble(kind, None)
            # As users exchange it: after the constructor, which would correct it a second time.
            pipeline.scheduler = self._exchanged(scheduler)
            self._pipelines[scheduler] = pipeline
        return self._pipelines[scheduler]

    def _exchanged(self, scheduler: str) -> Any:
        """Make a scheduler of another class from the model's own."""
        config = dict(self._own.scheduler.config)
        mended, _ = corrected(scheduler, config)
        changes = {name: value for name, value in mended.items() if value != config.get(name)}
        kind = getattr(diffusers, SCHEDULERS[scheduler])
        try:
            with warnings.catch_warnings():
                # Deprecated values concern whoever wrote the configuration.
                warnings.simplefilter("ignore")
                return kind.from_config(config, **changes)
        except (ValueError, NotImplementedError) as error:
            raise self._cannot_draw(scheduler, error) from error

    def _cannot_draw(self, scheduler: str, error: Exception) -> BundleError:
        return BundleError(
            f"diffusers itself cannot draw with {self._source.name} and the scheduler "
            f"{scheduler} ({error}): name another one as the default in its packshot.json."
        )

    def _assemble(self, kind: str, scheduler: Any) -> Any:
        with warnings.catch_warnings():
            # Of each correction it says that the file should be changed.
            warnings.simplefilter("ignore")
            pipeline = getattr(diffusers, kind)(
                **self._parts, scheduler=scheduler, **left_out(self._index)
            )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _check(self, numbers: npt.NDArray[np.float32]) -> None:
        if not np.isfinite(numbers).all():
            raise BundleError(
                f"diffusers itself draws with {self._source.name} what is not finite (NaN or "
                "infinite numbers): its weights are damaged, or it needs other settings. Download "
                "the model again, or ask its maker."
            )


def has_weights(source: Path) -> bool:
    """Check whether a folder has PyTorch weights of every part, to compare a bundle with."""
    try:
        for part in weighted_parts(source):
            find_weights(source / part)
    except BundleError:
        return False
    return True


def _part(kind: Any, folder: Path, *, halves: bool) -> Any:
    return _rounded(load_part(kind, folder), halves=halves)


def _rounded(part: Any, *, halves: bool) -> Any:
    # diffusers' own `half` warns of casting.
    return nn.Module.float(nn.Module.half(part)) if halves else part
