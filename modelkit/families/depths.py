"""How deep the transformers of a UNet are, by the names of its tensors.

SSD-1B and other pruned models of Stable Diffusion XL have its blocks, but fewer layers in some of
them; their files do not say so otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from modelkit.families.recognition import UNET, Shapes

_ATTENDS = "CrossAttn"


def fitted_depths(config: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Return a UNet's configuration with the depths that its file has.

    What differs in other ways stays as it is, and does not fit.

    Args:
        config: That of its family.
        shapes: Of the file's tensors, in their original layout.
    """
    known = config.get("transformer_layers_per_block")
    if not isinstance(known, Sequence):
        return dict(config)
    layers = int(config["layers_per_block"])
    down = _depths(shapes, "input_blocks", config["down_block_types"], layers, first=1)
    up = _depths(shapes, "output_blocks", config["up_block_types"], layers + 1, first=0)
    middle = _depth(shapes, "middle_block.1")
    whole = _whole(down, known), _whole(up, known[::-1]), known[-1]
    if (down, up, middle) == whole:
        return dict(config)
    changes = {"transformer_layers_per_block": down, "reverse_transformer_layers_per_block": up}
    return {**config, **changes, **({} if middle else {"mid_block_type": "UNetMidBlock2D"})}


def _depths(
    shapes: Shapes, kind: str, blocks: Sequence[str], layers: int, *, first: int
) -> list[Any]:
    """Return the depths of each block's layers; 0 of blocks without transformers."""
    # Going down, each block ends with one that only makes the image smaller.
    each = layers + first
    return [
        [_depth(shapes, f"{kind}.{first + number * each + layer}.1") for layer in range(layers)]
        if _ATTENDS in block
        else 0
        for number, block in enumerate(blocks)
    ]


def _whole(found: Sequence[Any], known: Sequence[int]) -> list[Any]:
    """Return the depths of each block's layers, as a configuration has one for all of them."""
    return [each and [depth] * len(each) for each, depth in zip(found, known, strict=True)]


def _depth(shapes: Shapes, layer: str) -> int:
    pattern = re.compile(rf"{re.escape(UNET + layer)}\.transformer_blocks\.(\d+)\.")
    found = [int(match[1]) for name in shapes if (match := pattern.match(name))]
    return max(found, default=-1) + 1
