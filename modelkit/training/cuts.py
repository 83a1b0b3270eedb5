"""Smaller UNets: blocks are taken out, what is left keeps the weights it had."""

import re
from collections.abc import Sequence
from typing import Any

from diffusers import UNet2DConditionModel

from core.errors import BundleError

CHOICES = "mid, layers, or attention-0, attention-1, … (0 is the finest resolution)"

_PLAIN = {"CrossAttnDownBlock2D": "DownBlock2D", "CrossAttnUpBlock2D": "UpBlock2D"}
"""A block without its attention; its other layers have the same names and shapes."""

Config = dict[str, Any]


def cut(unet: UNet2DConditionModel, parts: Sequence[str]) -> UNet2DConditionModel:
    """Return a smaller UNet with the weights of a larger one.

    Args:
        unet: The larger one; it is left as it is.
        parts: What to take out. `mid`: the middle block. `layers`: all but the first residual and
            attention pair of each stage on the way down, and all but the first and last on the way
            up, as BK-SDM's base model (Kim et al., 2023, arXiv 2305.15798). `attention-N`: the
            attention layers at the N-th resolution, 0 being the finest.

    Raises:
        BundleError: There is no such part in this UNet.
    """
    # diffusers would put its defaults back in the place of values that are named here.
    config: Config = {
        name: value for name, value in unet.config.items() if name != "_use_default_values"
    }
    for part in dict.fromkeys(parts):
        config = _without(config, part)
    smaller = UNet2DConditionModel.from_config(config)
    weights, depth = unet.state_dict(), unet.config.layers_per_block
    smaller.load_state_dict(
        {
            name: weights[_origin(name, depth) if "layers" in parts else name]
            for name in smaller.state_dict()
        }
    )
    return smaller.eval()


def _without(config: Config, part: str) -> Config:
    attention = re.fullmatch(r"attention-(\d+)", part)
    if part == "mid":
        return _without_mid(config)
    if part == "layers":
        return _without_layers(config)
    if attention:
        return _without_attention(config, int(attention[1]))
    raise BundleError(f"{part!r} is no part that can be removed: choose {CHOICES}")


def _without_mid(config: Config) -> Config:
    if config["mid_block_type"] is None:
        raise BundleError("this UNet has no middle block: choose something else to remove")
    return config | {"mid_block_type": None}


def _without_layers(config: Config) -> Config:
    layers = config["layers_per_block"]
    if not isinstance(layers, int):
        raise BundleError(
            "this UNet's stages differ in their number of layers: choose something else to remove"
        )
    if layers < 2:
        raise BundleError(
            "this UNet has one layer in each stage already: choose something else to remove"
        )
    return config | {"layers_per_block": 1}


def _without_attention(config: Config, stage: int) -> Config:
    down, up = list(config["down_block_types"]), list(config["up_block_types"])
    if stage >= len(down) or down[stage] not in _PLAIN or up[-1 - stage] not in _PLAIN:
        found = [str(number) for number, kind in enumerate(down) if kind in _PLAIN]
        raise BundleError(
            f"this UNet has no attention at resolution {stage}: it has some at "
            f"{', '.join(found) or 'none'}, counted from the finest, 0"
        )
    down[stage], up[-1 - stage] = _PLAIN[down[stage]], _PLAIN[up[-1 - stage]]
    return config | {"down_block_types": down, "up_block_types": up}


def _origin(name: str, depth: int) -> str:
    """Say which weight of the deep UNet a weight of the shallow one was.

    Stages of `depth` layers on the way down keep the first; on the way up, where there is one
    more, the first and the last, whose inputs have the widths that are still there.
    """
    return re.sub(r"^(up_blocks\.\d+\.(?:resnets|attentions)\.)1\.", rf"\g<1>{depth}.", name)
