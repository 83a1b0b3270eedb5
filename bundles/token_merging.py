"""Token Merging: a UNet's self-attention looks at fewer tokens, inside the graph.

Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion" (arXiv 2303.17604). In each
transformer block of the chosen resolutions, tokens on even rows and even columns of the image are
destinations, the others sources. Each source is compared with every destination by the cosine of
the block's normed input; the sources with the best matches are merged into their destination
before attention, and get its output afterwards.

It is written for OpenVINO's CPU plugin: tokens are split by slices, features are moved by one
`Gather` or `EmbeddingBagOffsets` with a flat index, and indices alone are sorted and scattered. So
it holds for every batch size, height and width of one graph, odd ones too, and rows of a batch
never meet. In PyTorch it runs in eager mode and is differentiable, for quantisation-aware training.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn
from torch.nn import functional

from bundles.manifest import TokenMergingPlan
from core.errors import BundleError

LARGEST_RATIO = 0.75
"""Three of four tokens are sources; more cannot be merged."""


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
        BundleError: A ratio is out of range, there are more ratios than resolutions with
            transformer blocks, or these are of another kind than Stable Diffusion's.
    """
    levels = [found for found in _transformers(unet) if found]
    if len(plan.ratios) > len(levels):
        raise BundleError(
            f"token merging has {len(plan.ratios)} ratios, but the UNet has transformer blocks at "
            f"{len(levels)} resolutions: give at most as many ratios"
        )
    for ratio in plan.ratios:
        if not 0 <= ratio <= LARGEST_RATIO:
            raise BundleError(
                f"token merging cannot merge a share of {ratio:g} of the tokens: "
                f"give ratios from 0 to {LARGEST_RATIO:g}"
            )
    restore_tokens(unet)
    for ratio, transformers in zip(plan.ratios, levels, strict=False):
        if ratio > 0:
            for transformer in transformers:
                _merge_in(transformer, ratio, plan)
    return unet


def restore_tokens(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Undo `merge_tokens`, in place; without it nothing changes."""
    for module in unet.modules():
        if isinstance(module, MergingTransformer):
            module.__class__ = Transformer2DModel
        elif isinstance(module, MergingBlock):
            module.__class__ = BasicTransformerBlock
            del module.token_merging, module.grid
    return unet


def smallest_sample(unet: UNet2DConditionModel, plan: TokenMergingPlan) -> int:
    """Give the fewest latents per side with which every merging resolution has two tokens a side.

    A resolution of one token has no sources: OpenVINO 2026.4's CPU plugin computes rubbish in
    every later call of a graph that once saw tensors of no elements.
    """
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
                "token merging knows only Stable Diffusion's transformer blocks, and this UNet "
                "has others: build it without --tome"
            )
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
    """A transformer that tells its blocks how their tokens lie in the image."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run (batch, channels, height, width) as `Transformer2DModel` does."""
        for block in self.transformer_blocks:
            block.grid = hidden_states.shape[-2:]
        return super().forward(hidden_states, *args, **kwargs)


class MergingBlock(BasicTransformerBlock):
    """A transformer block that merges tokens around its layers."""

    token_merging: "TokenMerging"
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


class Matches(NamedTuple):
    """Which tokens are merged: flat indices over all rows of the batch."""

    members: Tensor
    """int64: the tokens that make up the merged ones, one merged token after the other."""

    starts: Tensor | None
    """int64 (batch x merged,): where in `members` each merged token begins; None: one each."""

    homes: Tensor
    """int64 (batch x tokens,): the merged token that each token gets its output from."""


class TokenMerging(nn.Module):
    """The merging of one transformer block; it has no parameters.

    Its steps are modules, so that "token_merging" is in the name of each of their operations:
    that is how a quantiser finds them and leaves them alone.
    """

    def __init__(self, ratio: float, *, mean: bool, cross_attention: bool, mlp: bool) -> None:
        super().__init__()
        self.match = Match(ratio, mean=mean)
        self.merge = Merge()
        self.unmerge = Unmerge()
        self.cross_attention = cross_attention
        self.mlp = mlp


class Match(nn.Module):
    """Decides which tokens are merged."""

    def __init__(self, ratio: float, *, mean: bool) -> None:
        super().__init__()
        # Sources are three quarters of the tokens, a little less on odd grids. Whole numbers
        # leave nothing to the rounding of whoever computes them.
        share = Fraction(ratio).limit_denominator(1000) / Fraction(3, 4)
        self.share = (share.numerator, share.denominator)
        self.mean = mean

    def forward(self, states: Tensor, height: int, width: int) -> Matches:
        """Match the tokens of (batch, height x width, channels).

        On even grids `ratio` of all tokens are merged, rounded down; on odd ones, the same share
        of the sources.
        """
        batch, count, _ = states.shape
        destinations, *quarters = _quarters(states.reshape(batch, height, width, -1))
        sources = torch.cat(quarters, 1)
        similarity, partner = _best(sources.detach(), destinations.detach())

        amount = sources.shape[1] * self.share[0] // self.share[1]
        kept = destinations.shape[1]
        order = similarity.argsort(dim=1, descending=True)
        rank = _inverse(order)
        # Merged tokens: first the destinations, then the sources that stay alone, best match first.
        homes = torch.where(rank < amount, partner, kept + rank - amount)
        homes = torch.cat([_count_up(homes, kept).expand(batch, -1), homes], 1)

        # All that was in the order of the quarters; the image's order is another.
        image = _count_up(homes, count).reshape(1, height, width, 1)
        places = torch.cat(_quarters(image), 1).reshape(1, -1)
        homes = homes.index_select(1, _inverse(places)[0])
        row = _count_up(homes, batch).unsqueeze(1)
        merged = count - amount
        if self.mean:
            members, starts = _group(homes, merged)
            starts = (starts + row * count).reshape(-1)
        else:
            alone = places[0, kept:][order[:, amount:]]
            members, starts = torch.cat([places[:, :kept].expand(batch, -1), alone], 1), None
        return Matches(
            (members + row * count).reshape(-1), starts, (homes + row * merged).reshape(-1)
        )


class Merge(nn.Module):
    """Makes fewer tokens of many."""

    def forward(self, states: Tensor, matches: Matches) -> Tensor:
        """Merge (batch, tokens, channels) to (batch, merged, channels)."""
        batch, _, channels = states.shape
        flat = states.reshape(-1, channels)
        if matches.starts is None:
            merged = flat.index_select(0, matches.members)
        else:
            merged = functional.embedding_bag(matches.members, flat, matches.starts, mode="mean")
        return merged.reshape(batch, -1, channels)


class Unmerge(nn.Module):
    """Gives every token the output of the merged one that it went into."""

    def forward(self, states: Tensor, matches: Matches) -> Tensor:
        """Unmerge (batch, merged, channels) to (batch, tokens, channels)."""
        batch, _, channels = states.shape
        return (
            states.reshape(-1, channels).index_select(0, matches.homes).reshape(batch, -1, channels)
        )


def _quarters(grid: Tensor) -> list[Tensor]:
    """Split (batch, height, width, ...) by even and odd rows and columns; even-even comes first."""
    return [grid[:, row::2, column::2].flatten(1, 2) for row in (0, 1) for column in (0, 1)]


def _best(sources: Tensor, destinations: Tensor) -> tuple[Tensor, Tensor]:
    """Find each source's most similar destination: the cosine, and which it is.

    The sources' lengths do not change which destination wins, so only the winning products are
    divided by them. Comparing along the first of the two axes lets OpenVINO vectorise.
    """
    products = functional.normalize(destinations, dim=-1) @ sources.transpose(1, 2)
    largest, partner = products.max(dim=1)
    return largest / sources.norm(dim=-1), partner


def _group(homes: Tensor, merged: int) -> tuple[Tensor, Tensor]:
    """Sort each row's tokens by where they go: (their order, where each of `merged` begins)."""
    sizes = homes.new_zeros(homes.shape[0], merged).scatter_add(1, homes, torch.ones_like(homes))
    return homes.argsort(dim=1), sizes.cumsum(1) - sizes


def _inverse(permutations: Tensor) -> Tensor:
    """Invert each row's permutation."""
    count = permutations.shape[1]
    ascending = _count_up(permutations, count).expand_as(permutations)
    return torch.zeros_like(permutations).scatter(1, permutations, ascending)


def _count_up(like: Tensor, count: int) -> Tensor:
    return torch.arange(count, device=like.device)
