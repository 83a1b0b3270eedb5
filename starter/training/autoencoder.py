"""The autoencoder: 128x128 pictures to 16x16x4 latents and back."""

import logging
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from modelkit.training.course import Average, Course, decayed
from starter.data.pen import SIZE
from starter.scenes.pictures import Pictures, every_nth, psnr

logger = logging.getLogger(__name__)

LATENT_CHANNELS = 4
BATCH = 8
PEAK_RATE = 2e-3
KL_WEIGHT = 1e-6
CHECKPOINT_STEPS = 100
COLOUR_SHARE = 0.5


def build_autoencoder(
    widths: tuple[int, ...] = (16, 32, 64, 64), *, groups: int = 4, channels: int = LATENT_CHANNELS
) -> AutoencoderKL:
    """Make an untrained autoencoder that starts almost deterministic.

    With the usual start the posterior's noise drowns the signal for a long time: colours come
    out wrong and dots are lost. A log-variance of about -8 leaves a noise of 2 % of a unit.

    Args:
        widths: Channels of its four levels.
        groups: Of each normalisation.
        channels: Of its latents.
    """
    autoencoder = AutoencoderKL(
        sample_size=SIZE,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=groups,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        autoencoder.quant_conv.weight[channels:] *= 0.1
        autoencoder.quant_conv.bias[channels:] = -8
    return autoencoder


def train_autoencoder(
    pictures: Pictures, checks: Pictures, folder: Path, *, minutes: float, resume: bool
) -> AutoencoderKL:
    """Train on `pictures`; `checks` are pictures of held-out products, for the logged PSNR."""
    torch.manual_seed(1)
    autoencoder = build_autoencoder()
    optimiser = torch.optim.AdamW(autoencoder.parameters(), PEAK_RATE, weight_decay=1e-4)
    average = Average(autoencoder, 0.995)
    course = Course("vae", folder / "vae.pt", minutes=minutes, resume=resume)
    if course.restored:
        autoencoder.load_state_dict(course.restored["model"])
        optimiser.load_state_dict(course.restored["optimiser"])
        average.load_state_dict(course.restored["average"])
    some = every_nth(checks, 5)
    for fraction in course:
        for group in optimiser.param_groups:
            group["lr"] = decayed(fraction, peak=PEAK_RATE, floor=0.03)
        rows = np.random.default_rng(course.step).integers(len(pictures.pixels), size=BATCH)
        loss = _loss(autoencoder, pictures.batch(rows), fraction)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(autoencoder.parameters(), 1.0)
        optimiser.step()
        average.update(autoencoder)
        course.record(loss)
        if course.step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1:
            _save(course, autoencoder, optimiser, average)
            logger.info("vae held-out %.2f dB", _averaged_psnr(average, some))
    _save(course, autoencoder, optimiser, average)
    average.copy_to(autoencoder)
    finished = autoencoder.eval()
    standardise(finished, encode(finished, every_nth(pictures, 8)))
    logger.info("vae done, held-out %.2f dB", reconstruction_psnr(finished, checks))
    finished.save_pretrained(folder / "vae")
    return finished


def _loss(autoencoder: AutoencoderKL, images: torch.Tensor, fraction: float) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        posterior = autoencoder.encode(images).latent_dist
        restored = autoencoder.decode(posterior.sample()).sample
    restored = restored.float()
    difference = functional.l1_loss(restored, images) + functional.mse_loss(restored, images)
    # Left alone, the latents take up edges first and colours come out wrong for a long time. So
    # three channels start as the colour of their 8x8 pixels, and are set free by half-time.
    colours = functional.avg_pool2d(images, 8)
    guidance = functional.mse_loss(posterior.mean[:, :3].float(), colours)
    weight = max(0.0, 1 - fraction / COLOUR_SHARE)
    return difference + weight * guidance + KL_WEIGHT * posterior.kl().mean()


def _save(
    course: Course, model: AutoencoderKL, optimiser: torch.optim.Optimizer, average: Average
) -> None:
    course.save(
        model=model.state_dict(),
        optimiser=optimiser.state_dict(),
        average=average.state_dict(),
    )


def _averaged_psnr(average: Average, checks: Pictures) -> float:
    model = build_autoencoder()
    average.copy_to(model)
    return reconstruction_psnr(model, checks)


@torch.no_grad()
def encode(autoencoder: AutoencoderKL, pictures: Pictures) -> torch.Tensor:
    """Return the posterior means of all pictures, (count, channels, 16, 16) float32, unscaled."""
    rows = np.arange(len(pictures.pixels))
    return torch.cat(
        [
            autoencoder.encode(pictures.batch(rows[start : start + 64])).latent_dist.mode()
            for start in range(0, len(rows), 64)
        ]
    )


@torch.no_grad()
def reconstruct(autoencoder: AutoencoderKL, pictures: Pictures) -> torch.Tensor:
    """Pass pictures through the autoencoder, (count, 3, SIZE, SIZE) float32 in [-1, 1] or so."""
    latents = encode(autoencoder, pictures)
    return torch.cat([autoencoder.decode(part).sample for part in latents.split(64)])


def reconstruction_psnr(autoencoder: AutoencoderKL, pictures: Pictures) -> float:
    """Measure how well pictures survive the autoencoder, in dB."""
    rows = np.arange(len(pictures.pixels))
    return psnr(reconstruct(autoencoder, pictures), pictures.batch(rows))


@torch.no_grad()
def standardise(autoencoder: AutoencoderKL, latents: torch.Tensor) -> None:
    """Bring latents to zero mean, unit variance and uncorrelated channels; no picture changes.

    The change of basis goes into the 1x1 convolutions on both sides of the latents. Without it
    three channels are nearly the same brightness, and the little that sets a colour apart is lost
    in the diffusion loss.

    Args:
        autoencoder: Changed in place; its scaling factor becomes 1.
        latents: What it encodes now, (count, channels, height, width).
    """
    values = latents.movedim(1, 0).flatten(1).double()
    mean = values.mean(dim=1)
    spread, axes = torch.linalg.eigh(torch.cov(values))
    forth = (axes / spread.sqrt()).T
    back = axes * spread.sqrt()
    before, after = autoencoder.quant_conv, autoencoder.post_quant_conv
    weight, bias = before.weight[:, :, 0, 0].double(), before.bias.double()
    count = len(mean)
    before.weight[:count, :, 0, 0] = (forth @ weight[:count]).float()
    before.bias[:count] = (forth @ (bias[:count] - mean)).float()
    # Noise stays what it was on average, but the same for every picture.
    before.weight[count:] = 0
    before.bias[count:] = (bias[count:].mean() - spread.log()).float()
    weight = after.weight[:, :, 0, 0].double()
    after.bias += (weight @ mean).float()
    after.weight[:, :, 0, 0] = (weight @ back).float()
    autoencoder.register_to_config(scaling_factor=1.0)
