"""The text encoder: a small CLIP text model, first taught to tell the attributes of a caption."""

import logging
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from modelkit.training.course import Course, decayed
from starter.chance import seeded
from starter.tokenizer import MAX_TOKENS, VOCABULARY

logger = logging.getLogger(__name__)

WIDTH = 192
BATCH = 64
PEAK_RATE = 1e-3


def build_text_encoder() -> CLIPTextModel:
    """Make an untrained encoder: 77 token ids to (77, 192) states."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=3,
            num_attention_heads=6,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
            pad_token_id=VOCABULARY - 1,
        )
    )


def restore_text_encoder(checkpoint: Path) -> CLIPTextModel:
    """Load what `train_text_encoder` left."""
    encoder = build_text_encoder()
    encoder.load_state_dict(torch.load(checkpoint, weights_only=True)["encoder"])
    return encoder.eval()


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Return Stable Diffusion's token ids: (len(texts), 77) int64, padded and truncated."""
    ids: torch.Tensor = tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=MAX_TOKENS,
        return_tensors="pt",
    ).input_ids
    return ids


def train_text_encoder(
    shown: Sequence[Any],
    caption: Callable[[Any, Random], str],
    attributes: Mapping[str, type[StrEnum]],
    tokenizer: CLIPTokenizer,
    folder: Path,
    *,
    minutes: float,
    resume: bool,
) -> CLIPTextModel:
    """Teach the encoder to put a caption's attributes into its last states.

    Linear heads on the state of the caption's end token guess the attributes. It takes a minute
    and spares the UNet a long phase of pictures that ignore their captions. The heads are thrown
    away.

    Args:
        shown: What pictures show: products or subjects, each with `labels`.
        caption: Writes a caption of one.
        attributes: What the labels number; the number after the last means none of them.
        tokenizer: Of the captions.
        folder: Where `text.pt` is left.
        minutes: How long.
        resume: Whether to go on from `text.pt`.
    """
    torch.manual_seed(2)
    encoder = build_text_encoder()
    heads = nn.ModuleList(nn.Linear(WIDTH, len(values) + 1) for values in attributes.values())
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, PEAK_RATE, weight_decay=1e-2)
    course = Course("text", folder / "text.pt", minutes=minutes, resume=resume)
    if course.restored:
        encoder.load_state_dict(course.restored["encoder"])
        heads.load_state_dict(course.restored["heads"])
    for fraction in course:
        for group in optimiser.param_groups:
            group["lr"] = decayed(fraction, peak=PEAK_RATE, floor=0.03)
        rng = seeded(f"text/{course.step}")
        chosen = rng.choices(shown, k=BATCH)
        # Nothing follows the end token here, so only as many columns as captions need are run.
        ids = tokenize(tokenizer, [caption(one, rng) for one in chosen])[:, :32]
        ends = (ids == VOCABULARY - 1).int().argmax(dim=1)
        states = encoder(ids).last_hidden_state[torch.arange(BATCH), ends]
        labels = torch.tensor([one.labels() for one in chosen])
        loss = torch.stack(
            [
                functional.cross_entropy(head(states), labels[:, column])
                for column, head in enumerate(heads)
            ]
        ).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        course.record(loss)
    course.save(encoder=encoder.state_dict(), heads=heads.state_dict())
    logger.info("text done, loss %.4f", course.loss)
    return encoder
