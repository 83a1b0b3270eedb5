"""The UNet: compiled once for all shapes, and once more for shapes that a plan names."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from queue import LifoQueue
from typing import Any

import numpy as np
import openvino as ov

from worker.model import HIDDEN_STATES, Array, Features, StepInputs

SPARE = 0.25
"""Share of a fixed batch that may be padding: a fixed shape gains less than a quarter."""

Shape = tuple[int, int, int]
"""Rows, and height and width in latents."""

Requests = LifoQueue[Any]
"""Free inference requests of one compiled model: they share its weights."""


class UNet:
    """Predicts, for as many callers at the same time as it has streams."""

    def __init__(
        self,
        model: Any,
        compile_model: Callable[[Any], Any],
        *,
        streams: int = 1,
        fixed: Sequence[Shape] = (),
        tokens: int = 77,
        feature_shapes: Mapping[Shape, Mapping[str, Sequence[int]]] | None = None,
    ) -> None:
        """Compile it.

        Args:
            model: The `openvino.Model`; changed so that it takes a timestep per row, if it can.
            compile_model: Compiles one with this machine's properties.
            streams: How many callers; each has an inference request of each compiled model.
            fixed: (rows, height, width) in latents, for which it is compiled with a fixed shape
                as well: faster, but each has a copy of the weights in the CPU's own layout.
            tokens: Length of the text embeddings in these shapes.
            feature_shapes: For each of `fixed`, the shapes of the features that it takes.
        """
        self.per_row_timesteps = _free_timestep(model)
        self._timestep_type = model.input("timestep").element_type.to_dtype()
        self._tokens = tokens
        self._dynamic = _requests(compile_model(model), streams)
        self._fixed: dict[Shape, Requests] = {}
        self.feature_shapes: dict[Shape, dict[str, Sequence[int]]] = {}
        """Of the features that it leaves, for each fixed shape."""
        for shape in sorted(set(fixed)):
            taken = (feature_shapes or {}).get(shape, {})
            fixed_model = self._with_shape(model, shape, tokens, taken)
            self.feature_shapes[shape] = {
                port.get_any_name(): list(port.get_shape()) for port in fixed_model.outputs[1:]
            }
            self._fixed[shape] = _requests(compile_model(fixed_model), streams)

    def predict(self, inputs: StepInputs) -> tuple[Array, list[Features]]:
        """Run once, or where it takes one timestep only, once per noise level; see `Model.predict`.

        With features it must take a timestep per row, as every UNet does that packshot makes.
        """
        if self.per_row_timesteps or len(set(inputs.timesteps)) == 1:
            return self._run(inputs)
        output: list[Array] = [inputs.samples] * len(inputs.samples)
        for timestep in dict.fromkeys(inputs.timesteps):
            rows = [index for index, other in enumerate(inputs.timesteps) if other == timestep]
            some = {name: values[rows] for name, values in inputs.conditioning.items()}
            predicted, _ = self._run(
                replace(
                    inputs,
                    samples=inputs.samples[rows],
                    timesteps=[timestep] * len(rows),
                    conditioning=some,
                    kept=(),
                )
            )
            for row, one in zip(rows, predicted, strict=True):
                output[row] = one
        return np.stack(output), [{} for _ in output]

    def _run(self, inputs: StepInputs) -> tuple[Array, list[Features]]:
        timesteps = inputs.timesteps if self.per_row_timesteps else inputs.timesteps[:1]
        values: dict[str, Array] = {
            "sample": inputs.samples,
            "timestep": np.asarray(timesteps, self._timestep_type),
            **inputs.conditioning,
            **{name: np.stack([row[name] for row in inputs.taken]) for name in inputs.takes},
        }
        rows, _, height, width = inputs.samples.shape
        kept = inputs.kept or [()] * rows
        # What is longer than one text of the encoder's length is rare, and fits no fixed shape.
        usual = inputs.conditioning[HIDDEN_STATES].shape[1] == self._tokens
        batch = fixed_batch(rows, self._batches(height, width)) if usual else None
        if batch is None:
            return _infer(self._dynamic, values, kept)
        if batch > rows:
            one_for_all = set() if self.per_row_timesteps else {"timestep"}
            values |= {n: _pad(v, batch) for n, v in values.items() if n not in one_for_all}
        return _infer(self._fixed[batch, height, width], values, kept)

    def _batches(self, height: int, width: int) -> list[int]:
        """Return the rows of the fixed shapes of a size of latents."""
        return [rows for rows, *size in self._fixed if tuple(size) == (height, width)]

    def _with_shape(
        self, model: Any, shape: Shape, tokens: int, taken: Mapping[str, Sequence[int]]
    ) -> Any:
        rows, height, width = shape
        partial = {port.get_any_name(): port.get_partial_shape() for port in model.inputs}
        for name, size in partial.items():
            if name in taken:
                partial[name] = ov.PartialShape(list(taken[name]))
            elif name != "timestep" or self.per_row_timesteps:
                size[0] = rows
        partial["sample"][2], partial["sample"][3] = height, width
        partial[HIDDEN_STATES][1] = tokens
        clone = model.clone()
        clone.reshape(partial)
        return clone


def guidance_embedding(scales: Sequence[float], dimension: int) -> Array:
    """Embed guidance scales for a UNet that takes them, as `diffusers` does for distilled ones.

    Sinusoids of 1000·(scale-1), as of timesteps in VDM (Kingma et al. 2021, arXiv 2107.00630).

    Args:
        scales: One per row.
        dimension: Width of the UNet's `time_cond_proj_dim`.

    Returns:
        (rows, dimension), float32.
    """
    angles = (np.asarray(scales, np.float32) - 1.0) * 1000.0
    half = dimension // 2
    frequencies = np.exp(np.arange(half, dtype=np.float32) * -(np.log(10000.0) / (half - 1)))
    phases = angles[:, None] * frequencies[None]
    embedding = np.concatenate([np.sin(phases), np.cos(phases)], axis=1)
    return np.pad(embedding, ((0, 0), (0, dimension % 2))).astype(np.float32)


def fixed_batch(rows: int, batches: Sequence[int]) -> int | None:
    """Choose the fixed batch for some rows: the smallest that holds them.

    None where there is no such batch, or where too much of it would be padding: the shape that
    fits every batch is faster then.
    """
    enough = [batch for batch in batches if batch >= rows]
    batch = min(enough, default=None)
    return batch if batch is not None and batch - rows <= SPARE * batch else None


def _pad(rows: Array, batch: int) -> Array:
    """Repeat the last row: any numbers would do, but these are as ordinary as the others."""
    return np.concatenate([rows, np.repeat(rows[-1:], batch - len(rows), axis=0)])


def _requests(compiled: Any, streams: int) -> Requests:
    requests: Requests = LifoQueue()
    for _ in range(streams):
        requests.put(compiled.create_infer_request())
    return requests


def _infer(
    requests: Requests, inputs: Mapping[str, Any], kept: Sequence[Collection[str]]
) -> tuple[Array, list[Features]]:
    """Run once; return the prediction of the rows that `kept` is for, and the features they keep.

    What follows them is padding.
    """
    request = requests.get()
    try:
        # The model reads our arrays where they are; its output is overwritten by the next call.
        request.infer(dict(inputs), share_inputs=True)
        predicted = np.array(request.get_output_tensor(0).data[: len(kept)], dtype=np.float32)
        # Copied row by row: a row's memory goes with the row.
        left: list[Features] = [
            {name: np.array(request.get_tensor(name).data[row], np.float32) for name in names}
            for row, names in enumerate(kept)
        ]
        return predicted, left
    finally:
        requests.put(request)


def _free_timestep(unet: Any) -> bool:
    """Reshape the UNet's timestep to one float per row; return whether it accepts that.

    Exported UNets take one integer timestep for all rows, shape [1]: some schedulers' timesteps
    are not whole, and rows of one call may stand at different ones. The same graph with a wider
    input works when its operations broadcast.
    """
    timestep = unet.input("timestep").node
    element_type, shape = timestep.get_element_type(), timestep.get_partial_shape()
    try:
        timestep.set_element_type(ov.Type.f32)
        timestep.set_partial_shape(ov.PartialShape([-1]))
        unet.validate_nodes_and_infer_types()
    except RuntimeError:
        timestep.set_element_type(element_type)
        timestep.set_partial_shape(shape)
        unet.validate_nodes_and_infer_types()
        return False
    return True
