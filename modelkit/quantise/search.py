"""What the search for the best INT8 goes by: measurements that are kept, and sensitive layers."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from modelkit.progress import Progress
from modelkit.quantise.trajectories import compile_exactly
from modelkit.quantise.trajectory_file import Call
from modelkit.quantise.units import Unit


class Notes:
    """Figures by name, in a JSON file that is whole at any time."""

    def __init__(self, file: Path) -> None:
        """Read what is there; a file that cannot be read counts as none."""
        self._file = file
        self._figures: dict[str, float] = {}
        try:
            self._figures = {str(k): float(v) for k, v in json.loads(file.read_bytes()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return

    def get(self, name: str, measure: Callable[[], float]) -> float:
        """Return the figure of that name, measured now unless it was before."""
        if name not in self._figures:
            self._figures[name] = measure()
            aside = self._file.with_suffix(".part")
            aside.write_text(json.dumps(self._figures, indent=1), encoding="utf-8")
            os.replace(aside, self._file)
        return self._figures[name]


SILENT_DB = 200.0
"""What stands for no noise at all: FP32 has no more than 150 dB between its largest and its least
significant bit."""


class Yardstick:
    """What the floating-point UNet predicts on calls that nothing is calibrated on."""

    def __init__(
        self, model: ov.Model, calls: Sequence[Call], *, guidance_scale: float, say: Progress
    ) -> None:
        """Run the floating-point UNet.

        Args:
            model: The UNet.
            calls: The inputs to measure on; those of two rows are without and with the prompt.
            guidance_scale: Classifier-free guidance that their predictions are joined with.
            say: Advanced by one with each call.
        """
        self._calls = list(calls)
        self._guidance_scale = guidance_scale
        self._wanted = self._predict(model, say)

    def __len__(self) -> int:
        """Return the number of calls that a measurement takes."""
        return len(self._calls)

    def measure(self, model: ov.Model, say: Progress) -> float:
        """Return the signal-to-noise ratio of a UNet's guided predictions, in dB.

        The noise is what it differs by from the floating-point UNet; both powers are summed over
        all calls. Guidance counts because it multiplies what the two rows differ by.
        """
        noise = signal = 0.0
        for seen, wanted in zip(self._predict(model, say), self._wanted, strict=True):
            noise += float(np.sum((seen - wanted) ** 2, dtype=np.float64))
            signal += float(np.sum(wanted**2, dtype=np.float64))
        return min(SILENT_DB, float(10 * np.log10(signal / noise))) if noise else SILENT_DB

    def _predict(self, model: ov.Model, say: Progress) -> list[npt.NDArray[Any]]:
        request = compile_exactly(model).create_infer_request()
        predictions = []
        for call in self._calls:
            request.infer(call)
            predictions.append(self._guided(request.get_output_tensor(0).data))
            say.advance()
        return predictions

    def _guided(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if len(rows) == 1:
            return rows.copy()
        without, with_prompt = rows
        return np.asarray(without + self._guidance_scale * (with_prompt - without))


Measure = Callable[[Sequence[Unit]], float]
"""The signal-to-noise ratio in dB with these units in floating point and all others in INT8."""

SCAN_SHARE = 0.7
"""Of the measurements, for finding out what single groups bring; the rest puts them together."""

LEAST_RELIEF = 0.005
"""Share of the noise below which relief cannot be told from chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanLimits:
    """When the scan is content, and when it gives up."""

    wanted_db: float
    """No more layers are kept once the signal-to-noise ratio is that good."""
    most_work: float
    """Share of the quantised layers' multiplications that may be kept, 0 to 1."""
    measurements: int
    """How often it may measure; 0 for no scan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _UnitGroup:
    """Units that are measured together."""

    units: tuple[Unit, ...]
    relief: float
    """How much of the noise's power goes when these leave INT8; the signal's power is 1."""

    @property
    def work(self) -> int:
        return sum(unit.work for unit in self.units)


def find_sensitive(units: Sequence[Unit], measure: Measure, limits: ScanLimits) -> tuple[Unit, ...]:
    """Choose the units to keep in floating point.

    The noise of different layers is nearly independent, so what a group of layers brings is
    measured alone, all others in INT8. Layers of the same role (all second linear layers of the
    feed-forward blocks, say) behave alike and are the first groups; then the group that brought
    most is halved, again and again, as far as the measurements reach. Then groups are kept one
    after another, the most relief for its work first, as long as the noise shrinks.

    Returns:
        Possibly none: when the noise is small enough already, or nothing fits.
    """
    if not units or not limits.measurements:
        return ()
    noise = _power(measure(()))
    wanted = _power(limits.wanted_db)
    if noise <= wanted:
        return ()
    scanning = max(1, int(limits.measurements * SCAN_SHARE))
    groups, used = _scan(units, measure, noise, scanning)
    left = limits.measurements - 1 - used
    room = limits.most_work * sum(unit.work for unit in units)
    kept: tuple[Unit, ...] = ()
    for group in sorted(groups, key=lambda group: -group.relief / max(group.work, 1)):
        if not left or noise <= wanted:
            break
        if group.work > room or group.relief < LEAST_RELIEF * noise:
            continue
        left -= 1
        reached = _power(measure((*kept, *group.units)))
        if reached < noise:
            kept, noise, room = (*kept, *group.units), reached, room - group.work
    return kept


def role(unit: Unit) -> str:
    """Name what a unit does, the same for all blocks: "attn1.to_q", "ff.net.2", "conv_in"."""
    module = unit.layers[0].split("/")[0]
    steps = [step for step in module.split(".") if step]
    words = [step for step in steps if not step.isdigit()]
    return ".".join(words[-2:] + steps[-1:] * steps[-1].isdigit())


def _scan(
    units: Sequence[Unit], measure: Measure, noise: float, most: int
) -> tuple[list[_UnitGroup], int]:
    """Measure groups, at most `most`; return them with the number of measurements."""

    def weigh(part: Sequence[Unit]) -> _UnitGroup:
        return _UnitGroup(units=tuple(part), relief=noise - _power(measure(part)))

    groups = [weigh(part) for part in _first_groups(units, most)]
    used = len(groups)
    while used + 2 <= most:
        divisible = [group for group in groups if len(group.units) > 1]
        if not divisible:
            break
        whole = max(divisible, key=lambda group: group.relief)
        middle = len(whole.units) // 2
        groups.remove(whole)
        groups += [weigh(whole.units[:middle]), weigh(whole.units[middle:])]
        used += 2
    return groups, used


def _first_groups(units: Sequence[Unit], most: int) -> list[list[Unit]]:
    """Divide by single unit if there are few, else by role; in equal parts if there are many."""
    if len(units) <= most:
        return [[unit] for unit in units]
    roles: dict[str, list[Unit]] = {}
    for unit in units:
        roles.setdefault(role(unit), []).append(unit)
    groups = list(roles.values())
    if len(groups) <= most:
        return groups
    return [list(units[start::most]) for start in range(most)]


def _power(decibels: float) -> float:
    return float(10 ** (-decibels / 10))
