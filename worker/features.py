"""What one picture keeps of its UNet calls for later ones, and so which variant its next call is.

Each of its UNet rows, with the prompt and without it, has features of its own. They are the row's
memory: nobody else reads them, and they go with it.
"""

from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from bundles.manifest import ALIGNMENT_FILE, BlockCache, DeepCache
from bundles.step_plan import FULL, StepPlan, kept_after, sources, step_plan
from core.errors import BundleError
from worker.model import Array, Features

Alignment = Mapping[str, NDArray[np.float32]]
"""`NAME.scale` and `NAME.shift` of features, each (UNet calls, channels)."""


class Side(Enum):
    """Which of a guided picture's two UNet rows."""

    PROMPT = "prompt"
    """The one that sees the prompt."""
    NEGATIVE = "negative"
    """The one that sees the negative prompt, or nothing."""


class CachingSchedule:
    """Which variant runs at each step: the same for all pictures of one number of UNet calls."""

    def __init__(
        self, caching: DeepCache | BlockCache, calls: int, alignment: Alignment | None = None
    ) -> None:
        """Precompute it.

        Args:
            caching: The bundle's.
            calls: UNet calls of the picture.
            alignment: Scales and shifts; used where they were fitted for that many calls.
        """
        self.variants = caching.variants
        self.plan: StepPlan = step_plan(caching, calls)
        self.kept_after = kept_after(caching, self.plan)
        self.sources = sources(caching, self.plan)
        fits = isinstance(caching, BlockCache) and caching.steps == calls
        self.alignment: Alignment = alignment if alignment and fits else {}


class CachingSchedules:
    """A bundle's schedules, each computed once."""

    def __init__(self, caching: DeepCache | BlockCache, alignment: Alignment | None) -> None:
        self._caching = caching
        self._alignment = alignment
        self._cached: dict[int, CachingSchedule] = {}

    def of(self, calls: int) -> CachingSchedule:
        """Return the schedule of so many UNet calls."""
        if calls not in self._cached:
            self._cached[calls] = CachingSchedule(self._caching, calls, self._alignment)
        return self._cached[calls]


class RowFeatures:
    """One picture's features."""

    def __init__(self, schedule: CachingSchedule) -> None:
        self._schedule = schedule
        self.cheap_calls = 0
        """Calls that took features, so far."""
        self.saved = 0.0
        """What these spared, in full calls."""
        self._kept: dict[Side, dict[str, tuple[int, Array]]] = {side: {} for side in Side}

    def variant(self, call: int, *, guided: bool) -> int:
        """Choose what a call runs: the planned variant, or the full one where features lack.

        They lack where a picture began in the middle of its schedule, and where guidance begins.
        """
        planned = self._schedule.plan[call]
        takes = self._schedule.variants[planned].takes
        sides = list(Side) if guided else [Side.PROMPT]
        there = all(name in self._kept[side] for side in sides for name in takes)
        return planned if there else FULL

    def take(self, side: Side, call: int, variant: int) -> Features:
        """Return the features that a call's variant takes, brought near to what they would be now.

        Args:
            side: Which of the picture's UNet rows.
            call: The call's number.
            variant: Index of what it runs.
        """
        takes = self._schedule.variants[variant].takes
        return {name: self._take(side, call, name) for name in takes}

    def wanted(self, call: int, variant: int) -> Collection[str]:
        """Name the features that the call's variant leaves and a later call may take."""
        leaves = self._schedule.variants[variant].leaves
        return self._schedule.kept_after[call].intersection(leaves)

    def leave(self, call: int, variant: int, left: Mapping[Side, Features]) -> None:
        """Store what a call left, and drop what no later call takes.

        Args:
            call: The call's number.
            variant: Index of what it ran.
            left: The features of each side that took part in it.
        """
        ran = self._schedule.variants[variant]
        self.cheap_calls += bool(ran.takes)
        self.saved += 1 - ran.work
        after = self._schedule.kept_after[call]
        for side, kept in self._kept.items():
            # Without guidance the negative side stands still, and its features grow stale.
            known = (
                {**kept, **{n: (call, f) for n, f in left[side].items()}} if side in left else {}
            )
            self._kept[side] = {name: one for name, one in known.items() if name in after}

    @property
    def nbytes(self) -> int:
        """Return the bytes that it holds."""
        return sum(one.nbytes for kept in self._kept.values() for _, one in kept.values())

    def _take(self, side: Side, call: int, name: str) -> Array:
        computed, feature = self._kept[side][name]
        scale = self._schedule.alignment.get(f"{name}.scale")
        # Fitted for this pair of calls; a row that left the plan takes what it has.
        if scale is None or self._schedule.sources[call].get(name) != computed:
            return feature
        shift = self._schedule.alignment[f"{name}.shift"]
        wide = (-1, 1, 1) if feature.ndim == 3 else (-1,)
        return feature * scale[call].reshape(wide) + shift[call].reshape(wide)


def load_alignment(folder: Path) -> Alignment | None:
    """Read a bundle's scales and shifts; None where it has none.

    Raises:
        BundleError: They are damaged.
    """
    path = folder / "unet" / ALIGNMENT_FILE
    if not path.is_file():
        return None
    try:
        tensors: dict[str, Any] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{path} cannot be read ({error}). "
            "Build the bundle again: `packshot model build SOURCE`."
        ) from error
    return tensors
