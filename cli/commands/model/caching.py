"""Options of `packshot model build` for features that are kept between steps."""

from typing import Annotated, Literal

import typer

from cli.errors import UsageError
from modelkit.features.order import BlockCacheOrder, CachingOrder, DeepCacheOrder

DeepCache = Annotated[
    int | None,
    typer.Option(help="Run the whole UNet only every so many steps, such as 3 (DeepCache)."),
]
DeepCacheBranch = Annotated[
    int, typer.Option(help="DeepCache: skip connections that the steps between go down.")
]
DeepCacheSchedule = Annotated[
    Literal["uniform", "centred"],
    typer.Option(help="DeepCache: whole steps at equal distances, or closer in the first half."),
]
BlockCache = Annotated[
    float | None,
    typer.Option(
        help="Reuse transformer blocks until they change by this share, such as 0.5 (Block Cache)."
    ),
]


def caching_order(
    interval: int | None,
    *,
    branch: int,
    schedule: Literal["uniform", "centred"],
    blockcache: float | None,
) -> CachingOrder | None:
    """Read the options of feature caching.

    Raises:
        UsageError: They contradict each other.
    """
    if interval is not None and blockcache is not None:
        raise UsageError("--deepcache and --blockcache cannot be combined: give one of them.")
    if interval is not None:
        return DeepCacheOrder(interval=interval, branch=branch, schedule=schedule)
    if branch or schedule != "uniform":
        raise UsageError(
            "--deepcache-branch and --deepcache-schedule need --deepcache, such as --deepcache 3."
        )
    return None if blockcache is None else BlockCacheOrder(threshold=blockcache)
