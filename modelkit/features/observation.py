"""How a UNet's features change while it denoises, and what brings an old one near the new one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import torch

from bundles.manifest import Defaults
from modelkit.export.configuration import read_unet
from modelkit.progress import Progress
from modelkit.quantise.trajectories import Recorder, draw, pipeline_around

Feature = npt.NDArray[np.float32]
"""(rows, channels, height, width), or (rows, tokens, channels)."""

Look = Callable[[int, Mapping[str, Feature]], None]
"""Hears of a picture's call, by its number, and of the features it gave."""


class Observer(Recorder):
    """A UNet that `diffusers`' pipeline calls like its own, and whose features are looked at."""

    def __init__(self, model: ov.Model, config: dict[str, Any], look: Look, say: Progress) -> None:
        super().__init__(model, config, say)
        self._look = look
        self._names = [port.get_any_name() for port in model.outputs[1:]]
        self.call = 0
        """The number of the next call; whoever begins a picture sets it to 0."""

    def __call__(self, *tensors: torch.Tensor, **named: Any) -> tuple[torch.Tensor]:
        """Predict as `Recorder` does; inputs are not kept."""
        predicted = super().__call__(*tensors, **named)
        self.calls.clear()
        self._look(self.call, {name: self._request.get_tensor(name).data for name in self._names})
        self.call += 1
        return predicted


def observe(
    model: ov.Model,
    source: Path,
    prompts: Sequence[str],
    look: Look,
    *,
    defaults: Defaults,
    say: Progress,
) -> int:
    """Draw one image per prompt, the i-th with seed i, and look at the features of each call.

    Args:
        model: A whole UNet that gives its features.
        source: The diffusers folder that the other parts come from.
        prompts: What to draw.
        look: Sees features while they last: the next call overwrites them.
        defaults: Size, steps, guidance and scheduler to draw with.
        say: Advanced by one with each UNet call.

    Returns:
        The UNet calls of each image.
    """
    observer = Observer(model, read_unet(source), look, say)
    pipeline = pipeline_around(source, observer, defaults.scheduler)
    for seed, prompt in enumerate(prompts):
        observer.call = 0
        draw(pipeline, prompt, seed, defaults)
    return observer.call


@dataclass(kw_only=True)
class Changes:
    """Each feature's relative L1 change from call to call, over all pictures.

    Wimbauer et al. 2023 (arXiv 2312.03209), equation 3.
    """

    _sums: dict[str, list[float]] = field(default_factory=dict)
    _before: dict[str, Feature] = field(default_factory=dict)
    _pictures: int = 0

    def look(self, call: int, features: Mapping[str, Feature]) -> None:
        """Compare a call's features with those of the call before."""
        self._pictures += call == 0
        for name, now in features.items():
            sums = self._sums.setdefault(name, [])
            if call == len(sums):
                sums.append(0.0)
            if call:
                size = float(np.abs(now).sum(dtype=np.float64))
                change = float(np.abs(now - self._before[name]).sum(dtype=np.float64))
                sums[call] += change / size if size else 0.0
            self._before[name] = now.copy()

    def curves(self) -> dict[str, tuple[float, ...]]:
        """Return the mean changes, added up from the first call to each one."""
        return {
            name: tuple(round(float(total), 6) for total in np.cumsum(sums) / self._pictures)
            for name, sums in self._sums.items()
        }


class Alignment:
    """A scale and a shift for every channel of a feature that is taken from an earlier call.

    Wimbauer et al. 2023, section 3.3, train these with the UNet that keeps nothing as the teacher.
    Here they are the least squares between the teacher's own feature at the earlier call and at
    this one, in closed form: no error that reuse itself brings into later calls is seen.
    """

    def __init__(self, sources: Sequence[Mapping[str, int]]) -> None:
        """Create an observation.

        Args:
            sources: For each call, where each feature that it takes was computed.
        """
        self._sources = sources
        self._held: dict[tuple[str, int], npt.NDArray[np.float64]] = {}
        self._sums: dict[tuple[str, int], npt.NDArray[np.float64]] = {}
        self._channels: dict[str, int] = {}
        self._wanted = {pair for taken in sources for pair in taken.items()}
        self._taken = sorted({name for name, _ in self._wanted})

    def look(self, call: int, features: Mapping[str, Feature]) -> None:
        """Add a call's features to the sums."""
        for name in self._taken:
            channels = _by_channel(features[name])
            self._channels[name] = len(channels)
            if name in self._sources[call]:
                old = self._held[name, self._sources[call][name]]
                sums = np.stack(
                    [
                        np.full(len(channels), float(channels.shape[1])),
                        old.sum(axis=1),
                        channels.sum(axis=1),
                        (old * old).sum(axis=1),
                        (old * channels).sum(axis=1),
                    ]
                )
                self._sums[name, call] = self._sums.get((name, call), 0.0) + sums
            elif (name, call) in self._wanted:
                self._held = {key: value for key, value in self._held.items() if key[0] != name}
                self._held[name, call] = channels

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return `NAME.scale` and `NAME.shift` of each feature, (calls, channels) float32."""
        found: dict[str, npt.NDArray[np.float32]] = {}
        for name in self._taken:
            shape = (len(self._sources), self._channels[name])
            scale, shift = np.ones(shape, np.float32), np.zeros(shape, np.float32)
            for (other, call), sums in self._sums.items():
                if other == name:
                    scale[call], shift[call] = _least_squares(sums)
            found |= {f"{name}.scale": scale, f"{name}.shift": shift}
        return found


def _by_channel(feature: Feature) -> npt.NDArray[np.float64]:
    """Return (channels, values) of all rows and places."""
    axis = 1 if feature.ndim == 4 else feature.ndim - 1
    return np.moveaxis(feature, axis, 0).reshape(feature.shape[axis], -1).astype(np.float64)


def _least_squares(sums: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    """Fit new ≈ scale · old + shift for each channel."""
    count, x, y, xx, xy = sums
    variance = xx / count - (x / count) ** 2
    covariance = xy / count - (x / count) * (y / count)
    # A channel that is the same everywhere says nothing of a scale.
    flat = variance <= 1e-12 * np.maximum(xx / count, 1e-30)
    scale = np.where(flat, 1.0, covariance / np.where(flat, 1.0, variance))
    return scale, (y - scale * x) / count
