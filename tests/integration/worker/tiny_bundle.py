"""Builds the smallest model of Stable Diffusion's shape, with random weights, as a bundle.

`python tiny_bundle.py SOURCE TARGET`: a process of its own, because the model libraries warn about
themselves at every turn and the tests take warnings for errors.
"""

import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from bundles.export import build
from bundles.manifest import Defaults, Sizes
from bundles.source import PROFILE, Profile
from bundles.starter.tokenizer import VOCABULARY, build_tokenizer, save_tokenizer


def main(source: Path, target: Path) -> None:
    """Write the diffusers folder `source` and the bundle `target`."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8,) * 4,
            norm_num_groups=4,
            mid_block_add_attention=False,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=VOCABULARY,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                eos_token_id=VOCABULARY - 1,
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            block_out_channels=(8, 8),
            attention_head_dim=2,
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
        ),
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(source)
    save_tokenizer(tokenizer, source / "tokenizer")
    profile = Profile(
        name="tiny",
        defaults=Defaults(steps=4, guidance_scale=1.0, scheduler="ddim", width=32, height=32),
        sizes=Sizes(min=32, max=64, multiple_of=8, tested=((32, 32),)),
    )
    (source / PROFILE).write_text(profile.model_dump_json())
    build(source, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
