"""The mixed queue: prompts, step counts, guidance and schedulers as a shop's jobs have them."""

import random

from core.domain.image_spec import ImageSpec
from starter.data.attributes import split_products
from starter.data.captions import canonical_caption


def mixed(count: int, *, width: int, height: int, seed: int = 0) -> list[ImageSpec]:
    """Draw `count` requests; the same seed gives the same ones."""
    rng = random.Random(seed)
    products, _ = split_products()
    return [
        ImageSpec(
            prompt=canonical_caption(rng.choice(products)),
            negative_prompt="",
            steps=rng.choice((12, 16, 20, 20, 24)),
            guidance_scale=rng.choice((1.0, 3.0, 3.0, 4.5)),
            scheduler=rng.choice(("dpmpp_2m", "dpmpp_2m", "ddim", "euler", "unipc")),
            seed=number,
            width=width,
            height=height,
        )
        for number in range(count)
    ]
