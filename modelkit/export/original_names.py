"""A UNet's layers by their names in the original code.

kohya's LoRAs of Stable Diffusion XL have these. Every dot is written as an underscore, in both.
"""

import re
from collections.abc import Mapping

_OUTSIDE = {
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
    "input_blocks_0_0": "conv_in",
    "out_2": "conv_out",
}
_RESNET: Mapping[str, str] = {
    "in_layers_2": "conv1",
    "emb_layers_1": "time_emb_proj",
    "out_layers_3": "conv2",
    "skip_connection": "conv_shortcut",
}
_MIDDLE = ("resnets_0", "attentions_0", "resnets_1")
_BLOCK = re.compile(r"(input|output)_blocks_(\d+)_(\d)_(.+)")
_MIDDLE_BLOCK = re.compile(r"middle_block_([012])_(.+)")


def diffusers_name(name: str, layers_per_block: int) -> str | None:
    """Return what diffusers calls a layer; None: it is no name of the original code.

    Args:
        name: The layer's.
        layers_per_block: Of the UNet.
    """
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    if found := _MIDDLE_BLOCK.fullmatch(name):
        return f"mid_block_{_MIDDLE[int(found[1])]}_{_RESNET.get(found[2], found[2])}"
    if found := _BLOCK.fullmatch(name):
        return _of_block(found[1], int(found[2]), int(found[3]), found[4], layers_per_block + 1)
    return None


def _of_block(way: str, number: int, part: int, rest: str, each: int) -> str:
    """Return a layer's name, of a block that has so many parts on each way."""
    block, layer = divmod(number - (way == "input"), each)
    if rest == "op":
        return f"down_blocks_{block}_downsamplers_0_conv"
    if rest == "conv":
        return f"up_blocks_{block}_upsamplers_0_conv"
    kind = "attentions" if part else "resnets"
    direction = "down" if way == "input" else "up"
    return f"{direction}_blocks_{block}_{kind}_{layer}_{_RESNET.get(rest, rest)}"
