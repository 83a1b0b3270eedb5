"""Where a UNet's features are taken from: modules by name, and what they give while it is traced.

Names of features are names of tensors in the bundle's graphs, of members in its manifest, and what
workers keep arrays under.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from core.errors import BundleError
from modelkit.features.order import CachingOrder, DeepCacheOrder

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
            f"the UNet has no branch {branch} for DeepCache: "
            f"give --deepcache-branch from 0 to {len(layers) - 1}"
        )
    block, layer = layers[len(layers) - 1 - branch]
    return {DEEP: _before(unet, block, layer)}


def _before(unet: UNet2DConditionModel, block: int, layer: int) -> nn.Module:
    """Give the module whose output enters a layer of an up block."""
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
            "the UNet has no transformer blocks for Block Cache: build it with --deepcache instead"
        )
    return found


def wanted_features(order: CachingOrder) -> Callable[[UNet2DConditionModel], Points]:
    """Say which of a UNet's modules give the features that an order needs."""
    if isinstance(order, DeepCacheOrder):
        return partial(deep_point, branch=order.branch)
    return transformer_points


@contextmanager
def observed(points: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Give a mapping that holds what the modules gave at their last call, for the while."""
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
