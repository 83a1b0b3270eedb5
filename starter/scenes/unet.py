"""Trains the UNet: it learns to denoise latents under a caption."""

import logging
import time
from pathlib import Path
from random import Random

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from modelkit.training.course import LOG_FORMAT, Course
from modelkit.training.device import Device
from starter.chance import seeded
from starter.scenes.autoencoder import LATENT_CHANNELS
from starter.scenes.captions import caption, corpus
from starter.scenes.diffusion import build_scheduler, build_unet, velocity_loss
from starter.scenes.subjects import Shown, split_subjects, with_empty_scenes
from starter.scenes.team import Team
from starter.scenes.text_encoder import restore_text_encoder, tokenize
from starter.scenes.trained import Trained
from starter.tokenizer import build_tokenizer

logger = logging.getLogger(__name__)

WIDTHS = (96, 160, 224)
BATCH = 24
RATE = 5e-4
EMPTY_CAPTIONS = 0.1
CHECKPOINT_STEPS = 100
LATENTS = "latents.pt"
SAMPLE = 2000
"""Latents whose spread is measured."""


def train_unet(team: Team, folder: Path, device: Device, minutes: float, resume: bool) -> None:
    """Train on scaled latents; leaves unet.pt.

    The text encoder stays as it is: it already tells the attributes apart, and training it along
    costs a sixth of every step.

    Args:
        team: Who trains together; each member has its share of every batch.
        folder: With latents.pt, (count, 32, 16, 16) in FP16, its second half the mirror images of
            its first, and text.pt.
        device: Where to compute.
        minutes: How long.
        resume: Whether to go on from unet.pt.
    """
    logging.basicConfig(level=logging.INFO if team.leads else logging.ERROR, format=LOG_FORMAT)
    latents = torch.load(folder / LATENTS, mmap=True, weights_only=True)
    shown, tokenizer = with_empty_scenes(split_subjects()[0]), build_tokenizer(corpus())
    text_encoder = restore_text_encoder(folder / "text.pt").requires_grad_(False)
    text_encoder.to(device.name)
    torch.manual_seed(3)
    unet, scheduler = scenes_unet(), build_scheduler()
    if device.name == "cpu":
        # With few tokens plain products go backward faster than the fused attention.
        unet.set_attn_processor(AttnProcessor())
    course = Course(
        "unet", folder / "unet.pt", minutes=minutes, resume=resume, endless=True,
        clock=time.thread_time,
    )  # fmt: skip
    trained = Trained(unet, course, device, rate=RATE, average=0.998, team=team)
    torch.manual_seed(course.step * team.size + team.rank)
    weights = _channel_weights(latents).to(device.name)
    share = course.fraction
    for fraction in course:
        if share >= 1:
            break
        rng = seeded(f"unet/{course.step}/{team.rank}")
        rows = rng.choices(range(len(latents)), k=BATCH // team.size)
        texts = [_text(shown[row % (len(latents) // 2) % len(shown)], rng) for row in rows]
        with torch.no_grad():
            states = text_encoder(tokenize(tokenizer, texts).to(device.name)).last_hidden_state
        clean = latents[rows].to(device.name, torch.float32)
        loss = velocity_loss(unet, scheduler, clean, states, weights, device.autocast())
        share = trained.learn(loss, fraction)
        if team.leads and course.step % CHECKPOINT_STEPS == 0:
            trained.save()
    if team.leads:
        trained.save()
    logger.info("unet done, loss %.4f", course.loss)


def scenes_unet() -> UNet2DConditionModel:
    """Make an untrained UNet on latents of scenes, (32, 16, 16)."""
    return build_unet(WIDTHS, channels=LATENT_CHANNELS)


def _channel_weights(latents: torch.Tensor) -> torch.Tensor:
    """Return how much the error of each channel counts, (1, 32, 1, 1): as its pixels' spread does.

    The first components of patches say where things are and what shape they have; without weights
    two thirds of the loss are in the others, whose noise nobody can predict.
    """
    spread = latents[:SAMPLE].float().std(dim=(0, 2, 3), keepdim=True)
    return spread / spread.mean()


def _text(subject: Shown, rng: Random) -> str:
    """Write a caption, or at times none, so that guidance has something to begin from."""
    return "" if rng.random() < EMPTY_CAPTIONS else caption(subject, rng)
