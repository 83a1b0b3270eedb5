"""Fine-tuning: a model learns what is in a folder of captioned images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr
from torch.nn import functional

from core.errors import BundleError
from modelkit.export.source import Profile, content_hash, read_profile
from modelkit.progress import Progress
from modelkit.training.device import Device, require_room
from modelkit.training.fit import Loss, checkpoint_gradients, fit
from modelkit.training.images import Example, LatentStore, read_folder, require_enough
from modelkit.training.models import (
    TorchTextEncoder,
    load_scheduler,
    load_text_encoder,
    load_unet,
    locate_whole,
    predict,
)
from modelkit.training.recipe import TrainingRecipe
from modelkit.training.target import TrainingFolder, write_folder


def denoising_loss(
    unet: UNet2DConditionModel,
    scheduler: DDPMScheduler,
    latents: torch.Tensor,
    states: torch.Tensor,
    *,
    min_snr: float | None,
    device: Device,
    random: torch.Generator,
) -> torch.Tensor:
    """Return the loss of one batch (Ho et al., 2020, arXiv 2006.11239).

    Args:
        unet: The one in training.
        scheduler: The noise schedule, and which of noise, velocity (Salimans and Ho, 2022, arXiv
            2202.00512) and clean latents the UNet predicts.
        latents: Clean ones, (rows, channels, height, width) float32.
        states: Encoded captions, (rows, tokens, width) float32.
        min_snr: Upper bound on the weight of nearly clean rows (Hang et al., 2023, arXiv
            2303.09556; 5 is usual); None weighs all noise levels alike.
        device: Where all of this is.
        random: Source of noise and timesteps, in main memory.
    """
    rows, steps = len(latents), scheduler.config.num_train_timesteps
    noise = torch.randn(latents.shape, generator=random).to(latents.device)
    # Evenly spread timesteps over the batch make the loss, and so the steps, less noisy.
    spread = (torch.arange(rows) + torch.rand(1, generator=random)) / rows
    timesteps = (spread * steps).long().clamp(max=steps - 1).to(latents.device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    with device.autocast():
        predicted = predict(unet, noisy, timesteps.float(), states)
    wanted = _target(scheduler, latents, noise, timesteps)
    errors = functional.mse_loss(predicted, wanted, reduction="none").mean(dim=(1, 2, 3))
    if min_snr is not None:
        errors = errors * _weights(scheduler, timesteps, min_snr)
    return errors.mean()


def _target(
    scheduler: DDPMScheduler, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(latents, noise, timesteps)
    return latents if scheduler.config.prediction_type == "sample" else noise


def _weights(scheduler: DDPMScheduler, timesteps: torch.Tensor, bound: float) -> torch.Tensor:
    """Min-SNR weighs errors of the clean latents with min(SNR, bound); other targets follow."""
    ratio = compute_snr(scheduler, timesteps)
    weights = ratio.clamp(max=bound)
    if scheduler.config.prediction_type == "v_prediction":
        return weights / (ratio + 1)
    return weights if scheduler.config.prediction_type == "sample" else weights / ratio


EMPTY_CAPTIONS = 0.1
"""Share of rows that are trained without their caption, so that guidance goes on working (Ho and
Salimans, 2022, arXiv 2207.12598)."""
PROMPTS = 32
"""Captions that the tuned model keeps, to be calibrated and evaluated on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuning:
    """What can be chosen besides the recipe."""

    resolution: int | None = None
    """Pixels of each side; None is the model's usual size."""
    flip: bool = False
    """Whether to learn from mirror images too: wrong where there is text, or left and right."""
    min_snr: float | None = None
    """See `objective.denoising_loss`."""


def finetune(
    source: Path | str,
    data: Path,
    out: Path,
    *,
    options: FineTuning,
    recipe: TrainingRecipe,
    device: Device,
    resume: bool,
    say: Progress,
) -> list[str]:
    """Adapt a model to captioned images, and write it as a complete diffusers folder.

    Trains the UNet; text encoder and autoencoder stay. What is saved is the moving average of the
    weights. An interrupted training is kept in a hidden folder beside `out` until `resume`.

    Args:
        source: A diffusers folder, or a Hub id.
        data: A folder as `images.read_folder` describes.
        out: The new model's folder; must not exist.
        options: What can be chosen besides the recipe.
        recipe: Budget and numbers.
        device: Where to compute.
        resume: Whether to go on with an interrupted training.
        say: Told of every image and step.

    Returns:
        A sentence for each image of `data` that could not be used.

    Raises:
        BundleError: Something given cannot be used; the sentence says what.
    """
    folder = locate_whole(source, say)
    require_room(folder, out, device=device, taught=False)
    profile = _at_size(read_profile(folder), options)
    found = read_folder(data)
    settings = {
        "model": content_hash(folder / "unet", {}),
        "captions": [image.text for image in found.images],
        "size": [profile.defaults.width, profile.defaults.height],
        "seed": recipe.seed,
    }
    target = TrainingFolder(out, settings=settings, resume=resume)
    width, height = profile.defaults.width, profile.defaults.height
    store = LatentStore(target.work / "latents", folder, width=width, height=height)
    examples, unreadable = store.encode(found.images, flip=options.flip, device=device, say=say)
    skipped = [*found.skipped, *unreadable]
    require_enough(len(examples), data, skipped)
    unet = load_unet(folder).requires_grad_(True).to(device.name)
    if recipe.gradient_checkpointing:
        checkpoint_gradients(unet)
    course = target.course("train the UNet", recipe, say)
    loss = _loss(unet, load_scheduler(folder), examples, load_text_encoder(folder),
                 options, recipe, device)  # fmt: skip
    fit(unet, loss, course, recipe).copy_to(unet)
    target.publish(lambda aside: write_folder(unet, folder, aside, _of(profile, examples)))
    return skipped


def _loss(
    unet: UNet2DConditionModel,
    scheduler: DDPMScheduler,
    examples: Sequence[Example],
    text_encoder: TorchTextEncoder,
    options: FineTuning,
    recipe: TrainingRecipe,
    device: Device,
) -> Loss:
    text_encoder.model.to(device.name)

    def loss(number: int) -> torch.Tensor:
        rng = np.random.default_rng((recipe.seed, number))
        rows = [examples[row] for row in _rows(number, recipe.batch, len(examples), recipe.seed)]
        texts = ["" if rng.random() < EMPTY_CAPTIONS else row.text for row in rows]
        latents = torch.stack([row.latents(int(rng.integers(2))) for row in rows])
        return denoising_loss(
            unet,
            scheduler,
            latents.to(device.name),
            text_encoder.encode(texts).to(device.name),
            min_snr=options.min_snr,
            device=device,
            random=torch.Generator().manual_seed(int(rng.integers(2**63))),
        )

    return loss


def _rows(number: int, batch: int, count: int, seed: int) -> list[int]:
    """Choose a pass's examples: each one once, in random order, before any comes again."""
    places = range(number * batch, (number + 1) * batch)
    orders = {
        place // count: np.random.default_rng((seed, 1, place // count)).permutation(count)
        for place in places
    }
    return [int(orders[place // count][place % count]) for place in places]


def _at_size(profile: Profile, options: FineTuning) -> Profile:
    """Set the size at which the tuned model draws.

    Raises:
        BundleError: The model cannot do that size.
    """
    width = options.resolution or profile.defaults.width
    height = options.resolution or profile.defaults.height
    sizes = profile.sizes
    for pixels in (width, height):
        if pixels % sizes.multiple_of or not sizes.min <= pixels <= sizes.max:
            raise BundleError(
                f"The model cannot be trained at {width}x{height}: give sides of "
                f"{sizes.min} to {sizes.max} pixels, in steps of {sizes.multiple_of}."
            )
    return profile.model_copy(
        update={
            "defaults": profile.defaults.model_copy(update={"width": width, "height": height}),
            "sizes": sizes.model_copy(update={"tested": ((width, height),)}),
        }
    )


def _of(profile: Profile, examples: Sequence[Example]) -> Profile:
    """Describe the tuned model: another one than its source, that draws what it learned from."""
    texts = list(dict.fromkeys(example.text for example in examples))
    every = max(1, len(texts) // PROMPTS)
    return profile.model_copy(update={"name": None, "prompts": tuple(texts[::every][:PROMPTS])})
