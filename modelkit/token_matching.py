"""Which tokens of an image are alike, making one of them, and giving each its share again.

Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion" (arXiv 2303.17604), section 3.
Tokens on even rows and even columns of the image are destinations, the others sources. Each source
is compared with every destination by the cosine of the block's normed input; the sources with the
best matches are merged into their destination.

It is written for OpenVINO's CPU plugin (docs/decisions/0006): tokens are split by slices, features
are moved by one `Gather` or `EmbeddingBagOffsets` with a flat index, and indices alone are sorted
and scattered. So one graph holds for every batch size, height and width, and rows of a batch never
meet; where the height or the width is odd nothing is merged. In PyTorch it runs in eager mode and
is differentiable, for quantisation-aware training.
"""

from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


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
        # Whole numbers leave nothing to the rounding of whoever computes with them.
        self.ratio = Fraction(ratio).limit_denominator(1000).as_integer_ratio()
        self.mean = mean

    def forward(self, states: Tensor, height: int, width: int) -> Matches:
        """Match the tokens of (batch, height x width, channels).

        On even grids `ratio` of all tokens are merged, rounded down. Where the height or the width
        is odd every token stays alone: attention sees them all, in another order.
        """
        batch, count, _ = states.shape
        destinations, *quarters = _quarters(states.reshape(batch, height, width, -1))
        sources = torch.cat(quarters, 1)
        similarity, partner = _best(sources.detach(), destinations.detach())

        # Arithmetic and no branch, so that a graph decides it anew at each call.
        even = (1 - height % 2) * (1 - width % 2)
        amount = count * self.ratio[0] // self.ratio[1] * even
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
