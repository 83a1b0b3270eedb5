"""A second round for the autoencoder's decoder alone, on latents that no longer change.

The diffusion model learns the encoder's latents, so the decoder may go on improving after it, and
learn to cope with latents that are a little off.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from modelkit.training.course import LOG_FORMAT, Average, Course, decayed
from starter.scenes.pictures import Pictures
from starter.scenes.team import Team

BATCH = 6
"""Rows of each member of the team."""
PEAK_RATE = 1e-3
LATENT_NOISE = 0.05
"""At most; each row has less, so that clean latents count as well."""
CHECKPOINT_STEPS = 300


def train_decoder(
    team: Team, latents: torch.Tensor, pictures: Pictures, folder: Path, minutes: float,
    resume: bool,
) -> None:  # fmt: skip
    """Train the decoder in `folder`/vae on latents, (count, 4, 16, 16) float32, of pictures.

    Its averaged weights go to `folder`/decoder.pt, for `restore_decoder`.
    """
    logging.basicConfig(level=logging.INFO if team.leads else logging.ERROR, format=LOG_FORMAT)
    autoencoder = AutoencoderKL.from_pretrained(folder / "vae", use_safetensors=True).train()
    decoder = decoder_of(autoencoder)
    optimiser = torch.optim.AdamW(decoder.parameters(), PEAK_RATE, weight_decay=1e-4)
    average = Average(decoder, 0.995)
    course = Course("decoder", folder / "decoder.pt", minutes=minutes, resume=resume, endless=True)
    if course.restored:
        decoder.load_state_dict(course.restored["model"])
        optimiser.load_state_dict(course.restored["optimiser"])
        average.load_state_dict(course.restored["average"])
    share = course.fraction
    for fraction in course:
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = decayed(share, peak=PEAK_RATE, floor=0.02, warm_up=0.05)
        rng = np.random.default_rng((course.step, team.rank))
        rows = rng.integers(len(latents), size=BATCH)
        noise = rng.standard_normal((BATCH, *latents.shape[1:]), dtype=np.float32)
        noise *= rng.uniform(0, LATENT_NOISE, (BATCH, 1, 1, 1)).astype(np.float32)
        noisy = latents[rows] + torch.from_numpy(noise)
        loss = _loss(autoencoder, noisy, pictures.batch(rows))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        share = team.average(decoder, fraction)
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimiser.step()
        average.update(decoder)
        course.record(loss)
        if team.leads and course.step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1:
            _save(course, decoder, optimiser, average)
    if team.leads:
        _save(course, decoder, optimiser, average)


def decoder_of(autoencoder: AutoencoderKL) -> nn.Module:
    """Return the part that comes after the latents."""
    return nn.ModuleList([autoencoder.post_quant_conv, autoencoder.decoder])


def restore_decoder(autoencoder: AutoencoderKL, checkpoint: Path) -> None:
    """Put the averaged weights that `train_decoder` left into an autoencoder."""
    decoder = decoder_of(autoencoder)
    average = Average(decoder, 0)
    average.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    average.copy_to(decoder)


def _loss(autoencoder: AutoencoderKL, latents: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        restored = autoencoder.decode(latents).sample
    restored = restored.float()
    # What is judged is the mean square error; a little L1 keeps flat areas flat.
    return functional.mse_loss(restored, images) + 0.1 * functional.l1_loss(restored, images)


def _save(
    course: Course, decoder: nn.Module, optimiser: torch.optim.Optimizer, average: Average
) -> None:
    course.save(
        model=decoder.state_dict(),
        optimiser=optimiser.state_dict(),
        average=average.state_dict(),
    )
