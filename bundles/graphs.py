"""A UNet's variants, cut out of one graph.

The whole graph gives its features as further outputs. A variant that takes some of them gets an
input in the place of each, and what only these were computed from falls away with its weights. So a
variant has the very weights, merged tokens and INT8 scales of the whole, however this was made.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import openvino as ov
from openvino import opset13 as ops

WEIGHTED = frozenset({"Convolution", "GroupConvolution", "MatMul"})
ATTENTION = "ScaledDotProductAttention"


def name_outputs(model: ov.Model, names: Sequence[str]) -> ov.Model:
    """Name a model's outputs: a quantiser between an output and its layer takes the name away."""
    for port, name in zip(model.outputs, names, strict=True):
        port.get_tensor().set_names({name})
    return model


def cut(model: ov.Model, *, takes: Iterable[str], leaves: Iterable[str]) -> ov.Model:
    """Make the variant that takes some features as inputs, and gives others as outputs.

    Args:
        model: The whole UNet; its first output is the prediction, the others are features, by
            name. It is left as it is.
        takes: Names of the features that become inputs, (rows, channels, height, width) float32.
        leaves: Names of the features that stay outputs, after the prediction, in this order.
    """
    clone = model.clone()
    outputs = [port.get_any_name() for port in clone.outputs]
    results = dict(zip(outputs, clone.get_results(), strict=True))
    parameters = list(clone.get_parameters())
    for name in takes:
        source = results[name].input_value(0)
        parameter = ops.parameter(source.get_partial_shape(), source.get_element_type(), name=name)
        parameter.output(0).get_tensor().set_names({name})
        for reader in source.get_target_inputs():
            if reader.get_node().get_type_name() != "Result":
                reader.replace_source_output(parameter.output(0))
        parameters.append(parameter)
    names = [outputs[0], *leaves]
    variant = ov.Model([results[name] for name in names], parameters, clone.get_friendly_name())
    return name_outputs(variant, names)


def total_work(model: ov.Model, shapes: Mapping[str, Sequence[int]]) -> int:
    """Count a UNet's multiplications for one call: convolutions, linear layers and attention.

    Args:
        model: Whole, or a variant; it is left as it is.
        shapes: Of the inputs by name; those of features that it takes may be missing, where
            nothing but these leaves a shape open.
    """
    return sum(_work(op) for op in _sized(model, shapes).get_ordered_ops())


def feature_shapes(model: ov.Model, shapes: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Return the shapes of a whole UNet's features, by name, for inputs of these shapes."""
    outputs = _sized(model, shapes).outputs
    return {port.get_any_name(): list(port.get_shape()) for port in outputs[1:]}


def _sized(model: ov.Model, shapes: Mapping[str, Sequence[int]]) -> ov.Model:
    clone = model.clone()
    clone.reshape({name: ov.PartialShape(list(shape)) for name, shape in shapes.items()})
    return clone


def _work(op: ov.Node) -> int:
    if op.get_type_name() in WEIGHTED:
        weights = op.input_value(1).get_partial_shape()
        channels = (
            op.output(0)
            .get_partial_shape()[-1 if op.get_type_name() == "MatMul" else 1]
            .get_length()
        )
        elements = int(np.prod(op.output(0).get_shape()))
        # Products of activations have a row of the second factor for each row of the first.
        batch = int(np.prod(weights.to_shape()[:-2])) if op.get_type_name() == "MatMul" else 1
        return elements * int(np.prod(weights.to_shape())) // channels // batch
    if op.get_type_name() == ATTENTION:
        queries, keys = op.input_value(0).get_shape(), op.input_value(1).get_shape()
        return 2 * int(np.prod(queries)) * keys[-2]
    return 0
