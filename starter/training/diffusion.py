"""The UNet: learns to denoise latents under a caption."""

import logging
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch.nn import functional

from modelkit.training.course import LOG_FORMAT, Average, Course, decayed
from starter.data.attributes import Product
from starter.data.captions import caption
from starter.data.chance import seeded
from starter.data.pen import SIZE
from starter.data.tokenizer import build_tokenizer
from starter.training.autoencoder import LATENT_CHANNELS
from starter.training.team import Team
from starter.training.text_encoder import WIDTH, restore_text_encoder, tokenize

logger = logging.getLogger(__name__)

BATCH = 12
"""Rows of each member of the team."""
PEAK_RATE = 5e-4
EMPTY_CAPTIONS = 0.1
CHECKPOINT_STEPS = 200


def build_unet(
    widths: tuple[int, ...] = (96, 160, 224), *, channels: int = LATENT_CHANNELS
) -> UNet2DConditionModel:
    """Make an untrained UNet on (channels, 16, 16) latents, of these widths at its three levels."""
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        in_channels=channels,
        out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=widths,
        # diffusers reads this as the number of heads: 32 channels each.
        attention_head_dim=tuple(width // 32 for width in widths),
        layers_per_block=1,
        norm_num_groups=32,
        cross_attention_dim=WIDTH,
    )


def build_scheduler() -> DDIMScheduler:
    """Make Stable Diffusion's noise schedule with v-prediction (Salimans and Ho, 2022)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def restore_unet(checkpoint: Path, unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Load the averaged weights of a checkpoint into a UNet, also while training goes on."""
    average = Average(unet, 0)
    average.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    average.copy_to(unet)
    return unet.eval()


def train_unet(
    team: Team,
    latents: torch.Tensor,
    products: tuple[Product, ...],
    folder: Path,
    minutes: float,
    resume: bool,
) -> None:
    """Train on scaled latents, (count, 4, 16, 16) float32 of unit variance.

    The text encoder stays as it is: it already tells the attributes apart, and training it along
    costs a sixth of every step. Leaves its last state in `folder`/unet.pt, for `restore_unet`.
    """
    logging.basicConfig(level=logging.INFO if team.leads else logging.ERROR, format=LOG_FORMAT)
    torch.manual_seed(3)
    unet = build_unet().to(memory_format=torch.channels_last)
    text_encoder = restore_text_encoder(folder / "text.pt").requires_grad_(False)
    tokenizer, scheduler = build_tokenizer(), build_scheduler()
    optimiser = torch.optim.AdamW(unet.parameters(), PEAK_RATE, weight_decay=1e-2)
    average = Average(unet, 0.998)
    course = Course("unet", folder / "unet.pt", minutes=minutes, resume=resume, endless=True)
    if course.restored:
        unet.load_state_dict(course.restored["model"])
        optimiser.load_state_dict(course.restored["optimiser"])
        average.load_state_dict(course.restored["average"])
    unet.train()
    torch.manual_seed(course.step * team.size + team.rank)
    share = course.fraction
    for fraction in course:
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = decayed(share, peak=PEAK_RATE, floor=0.02)
        rng = seeded(f"unet/{course.step}/{team.rank}")
        rows = rng.choices(range(len(products)), k=BATCH)
        texts = [
            "" if rng.random() < EMPTY_CAPTIONS else caption(products[row], rng) for row in rows
        ]
        with torch.autocast("cpu", torch.bfloat16):
            states = text_encoder(tokenize(tokenizer, texts)).last_hidden_state
        mixed = torch.autocast("cpu", torch.bfloat16)
        loss = velocity_loss(unet, scheduler, latents[rows], states, mixed)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        share = team.average(unet, fraction)
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        average.update(unet)
        course.record(loss)
        if team.leads and course.step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1:
            _save(course, unet, optimiser, average)
    if team.leads:
        _save(course, unet, optimiser, average)
    logger.info("unet done, loss %.4f", course.loss)


def velocity_loss(
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    latents: torch.Tensor,
    states: torch.Tensor,
    precision: AbstractContextManager[object],
) -> torch.Tensor:
    """Return how far the UNet is from the velocity of latents with noise, as a mean square.

    Args:
        unet: What is trained.
        scheduler: Its noise.
        latents: (rows, 4, 16, 16), of unit variance.
        states: Of their captions, (rows, 77, width).
        precision: What the UNet's pass runs in.
    """
    noise = torch.randn_like(latents)
    # Evenly spread timesteps over the batch make the loss, and so the steps, less noisy.
    spread = (torch.arange(len(latents)) + torch.rand(1)) / len(latents)
    timesteps = (spread * scheduler.config.num_train_timesteps).long().to(latents.device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    velocity = scheduler.get_velocity(latents, noise, timesteps)
    with precision:
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        predicted = unet(noisy, timesteps, states).sample
    return functional.mse_loss(predicted.float(), velocity)


def _save(
    course: Course,
    unet: UNet2DConditionModel,
    optimiser: torch.optim.Optimizer,
    average: Average,
) -> None:
    course.save(
        model=unet.state_dict(),
        optimiser=optimiser.state_dict(),
        average=average.state_dict(),
    )
