"""Trains the UNet: it learns to denoise latents under a caption."""

import logging
from pathlib import Path

import torch

from modelkit.training.course import LOG_FORMAT, Average, Course, decayed
from starter.chance import seeded
from starter.data.attributes import Product
from starter.data.captions import caption, corpus
from starter.scenes.diffusion import build_scheduler, build_unet, velocity_loss
from starter.scenes.team import Team
from starter.scenes.text_encoder import restore_text_encoder, tokenize
from starter.tokenizer import build_tokenizer
from starter.training.autoencoder import LATENT_CHANNELS

logger = logging.getLogger(__name__)

BATCH = 12
"""Rows of each member of the team."""
PEAK_RATE = 5e-4
EMPTY_CAPTIONS = 0.1
CHECKPOINT_STEPS = 200


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
    unet = build_unet(channels=LATENT_CHANNELS).to(memory_format=torch.channels_last)
    text_encoder = restore_text_encoder(folder / "text.pt").requires_grad_(False)
    tokenizer, scheduler = build_tokenizer(corpus()), build_scheduler()
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
        loss = velocity_loss(unet, scheduler, latents[rows], states, torch.ones(1), mixed)
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


def _save(
    course: Course,
    unet: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average,
) -> None:
    course.save(
        model=unet.state_dict(),
        optimiser=optimiser.state_dict(),
        average=average.state_dict(),
    )
