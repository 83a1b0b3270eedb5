"""The smallest parts of a quantised UNet that can be given back their floating point."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov

QUANTISER = "FakeQuantize"
WEIGHTED = frozenset({"Convolution", "GroupConvolution", "MatMul"})
MOVES = frozenset(
    {
        "Concat", "Convert", "Gather", "Reshape", "Slice", "Split", "Squeeze", "StridedSlice",
        "Tile", "Transpose", "Unsqueeze", "VariadicSplit",
    }
)  # fmt: skip
"""Types that only carry values along: quantised once, they stay so."""
LOOKS = frozenset({"ShapeOf"})
"""Types that do not care for the values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Layers that share a quantiser of activations: they leave INT8 together or not at all."""

    layers: tuple[str, ...]
    """Friendly names, in the order of the graph."""
    quantisers: tuple[str, ...]
    """Friendly names of the quantisers of their activations and weights."""
    work: int
    """Multiplications for one call of the size that was asked about."""


def find_units(model: ov.Model, shapes: Mapping[str, Sequence[int]]) -> list[Unit]:
    """Divide the quantised layers of a model into units, in the order of the graph.

    Args:
        model: Quantised, its weights in floating point behind quantisers.
        shapes: Of the inputs by name; the units' work is counted for these.
    """
    work = _count_work(model, shapes)
    position = {op.get_friendly_name(): i for i, op in enumerate(model.get_ordered_ops())}
    groups: list[tuple[set[str], set[str]]] = []
    for quantiser in _activation_quantisers(model):
        layers = _readers(quantiser)
        merged = (set(layers), {quantiser.get_friendly_name()})
        # A resampling between two quantisers belongs to both.
        touching = layers | {quantiser.input_value(0).get_node().get_friendly_name()}
        for group in [group for group in groups if group[0] & touching]:
            groups.remove(group)
            merged = (merged[0] | group[0], merged[1] | group[1])
        groups.append(merged)
    weights = {op.get_friendly_name(): _weight_quantiser(op) for op in model.get_ordered_ops()}
    units = [
        Unit(
            layers=tuple(sorted(layers, key=position.__getitem__)),
            quantisers=tuple(
                sorted(quantisers | {name for name in map(weights.get, layers) if name})
            ),
            work=sum(work.get(layer, 0) for layer in layers),
        )
        for layers, quantisers in groups
    ]
    return sorted(units, key=lambda unit: position[unit.layers[0]])


@contextmanager
def in_floating_point(model: ov.Model, units: Sequence[Unit]) -> Iterator[ov.Model]:
    """Remove the units' quantisers from the model while the block runs."""
    wanted = {name for unit in units for name in unit.quantisers}
    removed = []
    for op in model.get_ops():
        if op.get_friendly_name() in wanted:
            for reader in op.output(0).get_target_inputs():
                reader.replace_source_output(op.input_value(0))
                removed.append((reader, op.output(0)))
    try:
        yield model
    finally:
        for reader, output in removed:
            reader.replace_source_output(output)


def _activation_quantisers(model: ov.Model) -> list[Any]:
    return [
        op
        for op in model.get_ordered_ops()
        if op.get_type_name() == QUANTISER and not _is_constant(op.input_value(0).get_node())
    ]


def _weight_quantiser(op: Any) -> str | None:
    """Return the name of the quantiser of a layer's weights."""
    if op.get_type_name() in WEIGHTED:
        for port in (1, 0):
            node = op.input_value(port).get_node()
            if node.get_type_name() == QUANTISER and _is_constant(node.input_value(0).get_node()):
                return str(node.get_friendly_name())
    return None


def _is_constant(node: Any) -> bool:
    while node.get_type_name() in MOVES and node.get_input_size():
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


def _readers(quantiser: Any) -> set[str]:
    """Name the operations that compute with a quantiser's values, however these get there."""
    found, seen = set(), set()
    queue = deque([quantiser])
    while queue:
        for reader in queue.popleft().output(0).get_target_inputs():
            node = reader.get_node()
            name = node.get_friendly_name()
            if name in seen or node.get_type_name() in LOOKS:
                continue
            seen.add(name)
            if node.get_type_name() in MOVES:
                queue.append(node)
            elif node.get_type_name() != QUANTISER:
                found.add(name)
    return found


def _count_work(model: ov.Model, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Count each layer's multiplications, by name."""
    sized = model.clone()
    sized.reshape({name: ov.PartialShape(list(shape)) for name, shape in shapes.items()})
    work = {}
    for op in sized.get_ordered_ops():
        if op.get_type_name() not in WEIGHTED:
            continue
        weights = op.input_value(1).get_partial_shape()
        output = op.output(0).get_partial_shape()
        if weights.is_static and output.is_static:
            channels = output[-1 if op.get_type_name() == "MatMul" else 1].get_length()
            elements = int(np.prod(output.to_shape()))
            work[op.get_friendly_name()] = elements * int(np.prod(weights.to_shape())) // channels
    return work
