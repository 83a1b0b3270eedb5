"""The UNet as an OpenVINO model, with tokens merged or not."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import openvino as ov
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from bundles.manifest import TokenMergingPlan
from bundles.records import read_json
from core.errors import BundleError
from modelkit.export.conversion import DYNAMIC, convert, load_part
from modelkit.features.points import observed
from modelkit.token_merging.modules import merge_tokens, smallest_sample

OUTPUT = "out_sample"


Features = Callable[[UNet2DConditionModel], Mapping[str, nn.Module]]
"""Names a UNet's modules whose outputs become outputs of the graph; see `modelkit.features`."""


def convert_unet(
    folder: Path, plan: TokenMergingPlan | None = None, features: Features | None = None
) -> ov.Model:
    """Convert the UNet in a folder of diffusers' layout (config.json and safetensors).

    Inputs: `sample` (rows, channels, height, width), `timestep` (rows,), `encoder_hidden_states`
    (rows, tokens, features), and `timestep_cond` (rows, features) where the UNet embeds the
    guidance scale; all float32. Output: `out_sample`, of `sample`'s shape, and the features that
    are asked for, by their names. Rows, height and width stay open; they need not be multiples of
    the downsampling.

    Args:
        folder: A source's `unet` folder.
        plan: How tokens are merged; None leaves them as they are.
        features: What the graph gives besides its prediction; None: nothing.

    Raises:
        BundleError: The folder holds no such UNet, or the plan does not fit it.
    """
    unet = load_part(UNet2DConditionModel, folder)
    if plan is not None:
        merge_tokens(unet, plan)
    return trace_unet(unet, features)


def check_plan(folder: Path, plan: TokenMergingPlan, *, smallest: int) -> None:
    """See whether a plan fits a UNet, without its weights.

    Args:
        folder: A source's `unet` folder.
        plan: How tokens are to be merged.
        smallest: Latents per side of the smallest image.

    Raises:
        BundleError: The plan does not fit, or such an image leaves a single token.
    """
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(read_json(folder / "config.json"))
    merge_tokens(unet, plan)
    needed = smallest_sample(unet, plan)
    if smallest < needed:
        raise BundleError(
            f"the smallest image of the model has {smallest} latents a side, but merging tokens "
            f"there takes {needed}: raise sizes.min in its packshot.json, or merge at the finest "
            "resolution only"
        )


def check_features(folder: Path, features: Features) -> None:
    """See whether a UNet has some features, without its weights.

    Args:
        folder: A source's `unet` folder.
        features: As in `convert_unet`.

    Raises:
        BundleError: It has not.
    """
    with torch.device("meta"):
        features(UNet2DConditionModel.from_config(read_json(folder / "config.json")))


def trace_unet(unet: UNet2DConditionModel, features: Features | None = None) -> ov.Model:
    """Convert a UNet that is in memory; its weights are shared with the result. See `convert_unet`.

    Anything that is in its modules (merging, quantisers) becomes part of the graph.
    """
    config = unet.config
    # diffusers decides while it is traced: with odd sides it makes the graph that fits any size,
    # with more than one row it does not take the batch for one.
    side = 2 * 2**unet.num_upsamplers + 1
    examples = {
        "sample": torch.zeros(2, config.in_channels, side, side + 2),
        "timestep": torch.tensor([1.0, 2.0]),
        "encoder_hidden_states": torch.zeros(2, 3, config.cross_attention_dim),
    }
    shapes = {
        "sample": [DYNAMIC, config.in_channels, DYNAMIC, DYNAMIC],
        "timestep": [DYNAMIC],
        "encoder_hidden_states": [DYNAMIC, DYNAMIC, config.cross_attention_dim],
    }
    if config.time_cond_proj_dim is not None:
        examples["timestep_cond"] = torch.zeros(2, config.time_cond_proj_dim)
        shapes["timestep_cond"] = [DYNAMIC, config.time_cond_proj_dim]
    points = features(unet) if features else {}
    with observed(points) as seen:
        module = _Predict(unet, tuple(points), seen)
        return convert(module, examples, shapes, outputs=[OUTPUT, *points])


class _Predict(nn.Module):
    """The UNet from tensors to a tensor, and to its features if there are any."""

    def __init__(
        self, unet: UNet2DConditionModel, names: Sequence[str], seen: Mapping[str, Tensor]
    ) -> None:
        super().__init__()
        self.unet = unet
        self.names = names
        self.seen = seen

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        timestep_cond: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, ...]:
        predicted: Tensor = self.unet(
            sample,
            timestep,
            encoder_hidden_states,
            timestep_cond=timestep_cond,
            return_dict=False,
        )[0]
        if not self.names:
            return predicted
        return (predicted, *(self.seen[name] for name in self.names))
