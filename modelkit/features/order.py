"""What features a bundle is to keep between steps, as its builder asks for it."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from bundles.manifest import Defaults
from bundles.records import Record
from bundles.step_plan import LEAST_STEPS
from core.errors import BundleError
from modelkit.export.defaults import is_few_step


class DeepCacheOrder(Record):
    """DeepCache; see `bundles.manifest.DeepCache`."""

    interval: int
    branch: int = 0
    schedule: Literal["uniform", "centred"] = "uniform"


class BlockCacheOrder(Record):
    """Block Cache; see `bundles.manifest.BlockCache`."""

    threshold: float = Field(0.5)


CachingOrder = DeepCacheOrder | BlockCacheOrder


def check_caching(order: CachingOrder, source: Path, defaults: Defaults) -> None:
    """Check whether keeping features suits a model.

    Args:
        order: What is asked for.
        source: A folder in diffusers' layout.
        defaults: The model's.

    Raises:
        BundleError: The model makes pictures in so few steps that nothing stays alike between two
            of them, or the order makes no sense.
    """
    few = is_few_step(source)
    if few or defaults.steps < LEAST_STEPS:
        reason = (
            "it is distilled to draw in a few steps"
            if few
            else f"it draws in {defaults.steps} steps"
        )
        raise BundleError(
            f"Keeping features between steps would break this model's pictures: {reason}, and "
            f"under {LEAST_STEPS} steps nothing stays alike from one to the next. Leave "
            "--deepcache and --blockcache out, or raise the default steps: --steps, or its "
            "packshot.json."
        )
    if isinstance(order, DeepCacheOrder):
        if not 2 <= order.interval <= defaults.steps:
            raise BundleError(
                f"--deepcache {order.interval} means a full step in every {order.interval}: "
                f"give a number from 2 to the model's {defaults.steps} steps."
            )
    elif not order.threshold > 0:
        raise BundleError(
            f"--blockcache {order.threshold:g} allows no change at all: give a number above 0, "
            "such as 0.5."
        )
