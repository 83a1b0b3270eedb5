"""The options of token merging, of every command that makes a UNet."""

from typing import Annotated, Literal

import typer

from bundles.manifest import TokenMergingPlan
from cli.errors import UsageError

Tome = Annotated[
    str | None,
    typer.Option(help="Share of tokens to merge at the finest resolution, or at two: 0.5,0.3."),
]
TomeMode = Annotated[
    Literal["mean", "drop"],
    typer.Option(help="Merged tokens are averaged, or dropped for the one that stays."),
]
TomeCrossAttention = Annotated[
    bool, typer.Option("--tome-cross-attention", help="Merge before cross-attention too.")
]
TomeMlp = Annotated[
    bool, typer.Option("--tome-mlp", help="Merge before the feed-forward layers too.")
]


def token_merging_plan(
    ratios: str | None, *, mode: Literal["mean", "drop"], cross_attention: bool, mlp: bool
) -> TokenMergingPlan | None:
    """Read the options of token merging.

    Raises:
        UsageError: They make no plan.
    """
    if ratios is None:
        if cross_attention or mlp:
            raise UsageError("Merging needs a share of tokens: give --tome too, such as 0.5.")
        return None
    try:
        shares = tuple(float(part) for part in ratios.split(","))
    except ValueError:
        shares = ()
    if not 1 <= len(shares) <= 2:
        raise UsageError(f"--tome is one share or two, such as 0.5 or 0.5,0.3, not {ratios!r}.")
    return TokenMergingPlan(ratios=shares, mode=mode, cross_attention=cross_attention, mlp=mlp)
