"""The UNet as an OpenVINO model: with tokens merged or not, and features as further outputs.

Names of features are names of tensors in the bundle's graphs, of members in its manifest, and what
workers keep arrays under.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from bundles.layout import POOLED, SIZE_IDS
from bundles.manifest import TokenMergingPlan
from bundles.records import read_json
from core.errors import BundleError
from modelkit.export.architecture import SIZE_AND_POOLED_TEXT, TIME_IDS
from modelkit.export.conversion import DYNAMIC, convert, load_part
from modelkit.features.order import CachingOrder, DeepCacheOrder
from modelkit.token_merging import merge_tokens, smallest_sample

DEEP = "deep"
"""DeepCache's one feature."""

Points = dict[str, nn.Module]
"""Modules whose first output is a feature, by its name."""


def deep_point(unet: UNet2DConditionModel, branch: int) -> Points:
    """Find what the UNet's last layers get from its deep part.

    Ma et al. 2023, "DeepCache: Accelerating Diffusion Models for Free" (arXiv 2312.00858), section
    3.2. Branches are counted as in the authors' library: branch b leaves `b + 1` layers of the up
    blocks and what their skip connections need, so branch 0 leaves conv_in and the last up layer.

    Raises:
        BundleError: The UNet has no such branch.
    """
    layers = [
        (block, layer)
        for block in range(len(unet.up_blocks))
        for layer in range(len(unet.up_blocks[block].resnets))
    ]
    if not 0 <= branch < len(layers):
        raise BundleError(
            f"The UNet has no branch {branch} for DeepCache: "
            f"give --deepcache-branch from 0 to {len(layers) - 1}."
        )
    block, layer = layers[len(layers) - 1 - branch]
    return {DEEP: _before(unet, block, layer)}


def _before(unet: UNet2DConditionModel, block: int, layer: int) -> nn.Module:
    """Return the module whose output enters a layer of an up block."""
    if layer == 0:
        return unet.mid_block if block == 0 else unet.up_blocks[block - 1]
    up_block = unet.up_blocks[block]
    return getattr(up_block, "attentions", up_block.resnets)[layer - 1]


def transformer_points(unet: UNet2DConditionModel) -> Points:
    """Find what each of the UNet's transformers adds to its input.

    Wimbauer et al. 2023, "Cache Me if You Can: Accelerating Diffusion Models through Block Caching"
    (arXiv 2312.03209), section 3.1: the block's own part is kept, its skip connection is not.

    Raises:
        BundleError: The UNet has no transformers of the kind that Stable Diffusion has.
    """
    found = {
        name: module.proj_out
        for name, module in unet.named_modules()
        if isinstance(module, Transformer2DModel)
    }
    if not found:
        raise BundleError(
            "The UNet has no transformer blocks for Block Cache: build it with --deepcache instead."
        )
    return found


def wanted_features(order: CachingOrder) -> Callable[[UNet2DConditionModel], Points]:
    """Return which of a UNet's modules give the features that an order needs."""
    if isinstance(order, DeepCacheOrder):
        return partial(deep_point, branch=order.branch)
    return transformer_points


@contextmanager
def observed(points: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Yield a mapping that holds what the modules gave at their last call, for the while."""
    seen: dict[str, Tensor] = {}

    def remember(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG001 - torch's
            seen[name] = output if isinstance(output, Tensor) else output[0]

        return hook

    handles = [module.register_forward_hook(remember(name)) for name, module in points.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


OUTPUT = "out_sample"


Features = Callable[[UNet2DConditionModel], Mapping[str, nn.Module]]
"""Names a UNet's modules whose outputs become outputs of the graph; see `modelkit.features`."""


def convert_unet(
    folder: Path, plan: TokenMergingPlan | None = None, features: Features | None = None
) -> ov.Model:
    """Convert the UNet in a folder of diffusers' layout (config.json and safetensors).

    Inputs: `sample` (rows, channels, height, width), `timestep` (rows,), `encoder_hidden_states`
    (rows, tokens, features), `timestep_cond` (rows, features) where the UNet embeds the guidance
    scale, and in models of Stable Diffusion XL `text_embeds` (rows, features) and `time_ids`
    (rows, 6); all float32. Output: `out_sample`, of `sample`'s shape, and the features that
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
    """Check whether a plan fits a UNet, without its weights.

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
            f"The smallest image of the model has {smallest} latents a side, but merging tokens "
            f"there takes {needed}: raise sizes.min in its packshot.json, or merge at the finest "
            "resolution only."
        )


def check_features(folder: Path, features: Features) -> None:
    """Check whether a UNet has some features, without its weights.

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
    if config.addition_embed_type == SIZE_AND_POOLED_TEXT:
        pooled = (
            config.projection_class_embeddings_input_dim - TIME_IDS * config.addition_time_embed_dim
        )
        for name, width in ((POOLED, pooled), (SIZE_IDS, TIME_IDS)):
            examples[name] = torch.zeros(2, width)
            shapes[name] = [DYNAMIC, width]
    points = features(unet) if features else {}
    with observed(points) as seen:
        module = _Predict(unet, tuple(points), seen)
        return convert(module, examples, shapes, outputs=[OUTPUT, *points])


def added_conditions(inputs: Mapping[str, Tensor | None]) -> dict[str, Tensor] | None:
    """Return what diffusers' UNets of Stable Diffusion XL take besides; None: nothing.

    Args:
        inputs: A UNet's, by name.
    """
    found = {name: value for name in (POOLED, SIZE_IDS) if (value := inputs.get(name)) is not None}
    return found or None


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
        text_embeds: Tensor | None = None,
        time_ids: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, ...]:
        predicted: Tensor = self.unet(
            sample,
            timestep,
            encoder_hidden_states,
            timestep_cond=timestep_cond,
            added_cond_kwargs=added_conditions({POOLED: text_embeds, SIZE_IDS: time_ids}),
            return_dict=False,
        )[0]
        if not self.names:
            return predicted
        return (predicted, *(self.seen[name] for name in self.names))
