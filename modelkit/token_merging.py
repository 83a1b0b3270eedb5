"""Token Merging: a UNet's self-attention looks at fewer tokens, inside the graph.

Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion" (arXiv 2303.17604). In each
transformer block of the chosen resolutions similar tokens become one before attention, and get its
output afterwards; which ones is decided in `modelkit.token_matching`.

The mode `downsample` matches nothing: each token looks at every second row and column alone (Smith
et al. 2024, "ToDo: Token Downsampling for Efficient Generation of High-Resolution Images", arXiv
2402.13573).
"""

from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from bundles.manifest import TokenMergingPlan
from core.errors import BundleError
from modelkit.token_matching import TokenMerging

LARGEST_RATIO = 0.75
"""Three of four tokens are sources; more cannot be merged. Downsampling leaves out just these."""


def merge_tokens(unet: UNet2DConditionModel, plan: TokenMergingPlan) -> UNet2DConditionModel:
    """Make the UNet merge tokens as planned, in place; `restore_tokens` undoes it.

    Parameters and their names stay as they are. The UNet goes on taking any batch size, and any
    height and width down to `smallest_sample`. A resolution with ratio 0 is not touched.

    Args:
        unet: In diffusers' own form, or merging already: the new plan replaces the old one.
        plan: Its first ratio is that of the finest resolution that has transformer blocks.

    Returns:
        The same UNet.

    Raises:
        BundleError: A ratio is out of range or not of the mode, there are more ratios than
            resolutions with transformer blocks, or these are of another kind than Stable
            Diffusion's.
    """
    levels = [found for found in _transformers(unet) if found]
    if len(plan.ratios) > len(levels):
        raise BundleError(
            f"Token merging has {len(plan.ratios)} ratios, but the UNet has transformer blocks at "
            f"{len(levels)} resolutions: give at most as many ratios."
        )
    _check_shares(plan)
    restore_tokens(unet)
    for ratio, transformers in zip(plan.ratios, levels, strict=False):
        if ratio > 0:
            for transformer in transformers:
                _merge_in(transformer, ratio, plan)
    return unet


def _check_shares(plan: TokenMergingPlan) -> None:
    for ratio in plan.ratios:
        if not 0 <= ratio <= LARGEST_RATIO:
            raise BundleError(
                f"Token merging cannot merge a share of {ratio:g} of the tokens: "
                f"give ratios from 0 to {LARGEST_RATIO:g}."
            )
    if plan.mode != "downsample":
        return
    if plan.cross_attention or plan.mlp:
        raise BundleError(
            "Downsampled keys and values are those of self-attention: leave out merging before "
            "cross-attention and feed-forward layers, or take another mode."
        )
    if strange := set(plan.ratios) - {0.0, LARGEST_RATIO}:
        raise BundleError(
            f"Downsampling leaves out {LARGEST_RATIO:g} of the tokens, not {min(strange):g}: give "
            f"{LARGEST_RATIO:g}, or 0 for a resolution that is left alone."
        )


def restore_tokens(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Undo `merge_tokens`, in place; without it nothing changes."""
    for module in unet.modules():
        if isinstance(module, MergingTransformer):
            module.__class__ = Transformer2DModel
        elif isinstance(module, MergingBlock):
            module.__class__ = BasicTransformerBlock
            del module.token_merging, module.grid
        elif isinstance(module, DownsamplingAttention):
            module.__class__ = Attention
            del module.token_merging, module.grid
    return unet


def smallest_sample(unet: UNet2DConditionModel, plan: TokenMergingPlan) -> int:
    """Return the fewest latents per side with which every merging resolution has two tokens a side.

    A resolution of one token has no sources: OpenVINO 2026.4's CPU plugin computes rubbish in
    every later call of a graph that once saw tensors of no elements.
    Downsampling leaves the first token of any.
    """
    if plan.mode == "downsample":
        return 1
    levels = [level for level, found in enumerate(_transformers(unet)) if found]
    merging = [level for level, ratio in zip(levels, plan.ratios, strict=False) if ratio > 0]
    return int(2 ** (max(merging) + 1)) if merging else 1


def _transformers(unet: UNet2DConditionModel) -> list[list[Transformer2DModel]]:
    """List the transformers of each resolution, the latents' own first."""
    blocks: list[list[nn.Module]] = [[block] for block in unet.down_blocks]
    if unet.mid_block is not None:
        blocks[-1].append(unet.mid_block)
    for level, block in enumerate(reversed(unet.up_blocks)):
        blocks[level].append(block)
    return [
        [
            transformer
            for block in level
            for transformer in getattr(block, "attentions", ())
            if isinstance(transformer, Transformer2DModel)
        ]
        for level in blocks
    ]


def _merge_in(transformer: Transformer2DModel, ratio: float, plan: TokenMergingPlan) -> None:
    for block in transformer.transformer_blocks:
        if not _is_plain(block):
            raise BundleError(
                "Token merging knows only Stable Diffusion's transformer blocks, and this UNet "
                "has others: build it without --tome."
            )
        if plan.mode == "downsample":
            block.attn1.token_merging, block.attn1.grid = Downsample(), None
            block.attn1.__class__ = DownsamplingAttention
            continue
        block.token_merging = TokenMerging(
            ratio, mean=plan.mode == "mean", cross_attention=plan.cross_attention, mlp=plan.mlp
        )
        block.grid = None
        block.__class__ = MergingBlock
    transformer.__class__ = MergingTransformer


def _is_plain(block: nn.Module) -> bool:
    return (
        type(block) is BasicTransformerBlock
        and block.norm_type == "layer_norm"
        and block.pos_embed is None
        and not block.only_cross_attention
        and not block.double_self_attention
        and not hasattr(block, "fuser")
    )


class MergingTransformer(Transformer2DModel):
    """A transformer that tells what merges in it how its tokens lie in the image."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run (batch, channels, height, width) as `Transformer2DModel` does."""
        grid = (hidden_states.shape[-2], hidden_states.shape[-1])
        for block in self.transformer_blocks:
            merging = block if isinstance(block, MergingBlock) else block.attn1
            merging.grid = grid
        return super().forward(hidden_states, *args, **kwargs)


class MergingBlock(BasicTransformerBlock):
    """A transformer block that merges tokens around its layers."""

    token_merging: TokenMerging
    grid: tuple[int, int]

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        *_: Any,
        **__: Any,
    ) -> Tensor:
        """Run (batch, tokens, channels) as `BasicTransformerBlock` does, with fewer tokens inside.

        Args:
            hidden_states: Tokens in the order of the image's rows.
            attention_mask: None: a mask over tokens would have to be merged as well.
            encoder_hidden_states: (batch, text tokens, features).
            encoder_attention_mask: Over the text's tokens.
        """
        if attention_mask is not None:
            raise ValueError("token merging takes no mask for self-attention")
        merging = self.token_merging
        states = self.norm1(hidden_states)
        matches = merging.match(states, *self.grid)
        merged = merging.merge(states, matches)
        hidden_states = hidden_states + merging.unmerge(self.attn1(merged), matches)

        if self.attn2 is not None:
            text = {
                "encoder_hidden_states": encoder_hidden_states,
                "attention_mask": encoder_attention_mask,
            }
            states = self.norm2(hidden_states)
            if merging.cross_attention:
                merged = merging.merge(states, matches)
                output = merging.unmerge(self.attn2(merged, **text), matches)
            else:
                output = self.attn2(states, **text)
            hidden_states = hidden_states + output

        states = self.norm3(hidden_states)
        if merging.mlp:
            output = merging.unmerge(self.ff(merging.merge(states, matches)), matches)
        else:
            output = self.ff(states)
        return hidden_states + output


class Downsample(nn.Module):
    """Takes every second row and column of tokens; it has no parameters."""

    def forward(self, states: Tensor, height: int, width: int) -> Tensor:
        """Downsample (batch, height x width, channels) to the nearest tokens, rounded up."""
        batch, _, channels = states.shape
        return states.reshape(batch, height, width, channels)[:, ::2, ::2].flatten(1, 2)


class DownsamplingAttention(Attention):
    """A self-attention that has the keys and values of fewer tokens."""

    token_merging: Downsample
    grid: tuple[int, int]

    def forward(
        self,
        hidden_states: Tensor,
        *_: Any,
        attention_mask: Tensor | None = None,
        **__: Any,
    ) -> Tensor:
        """Run (batch, tokens, channels) as `Attention` does, each token seeing fewer.

        Args:
            hidden_states: Tokens in the order of the image's rows.
            attention_mask: None: a mask over tokens would have to be downsampled as well.
        """
        if attention_mask is not None:
            raise ValueError("downsampled self-attention takes no mask")
        seen = self.token_merging(hidden_states, *self.grid)
        attended: Tensor = super().forward(hidden_states, encoder_hidden_states=seen)
        return attended
