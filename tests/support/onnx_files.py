"""ONNX files of a few nodes, written as the format says (onnx.proto), without a library of theirs.

OpenVINO's own reader is what reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class OnnxGraph:
    """Nodes that one photograph, [1, 3, side, side], goes through."""

    side: int | None
    """None: any."""
    nodes: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)
    outputs: list[bytes] = field(default_factory=list)

    def node(self, kind: str, inputs: Sequence[str], output: str, **ints: int) -> str:
        """Add an operation; attributes are whole numbers."""
        fields = [_text(1, one) for one in inputs] + [_text(2, output), _text(4, kind)]
        for name, value in ints.items():
            fields.append(_bytes(5, _text(1, name) + _number(3, value) + _number(20, 2)))
        self.nodes.append(b"".join(fields))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add weights."""
        dims = b"".join(_number(1, side) for side in values.shape)
        raw = _bytes(9, values.astype("<f4").tobytes())
        self.tensors.append(dims + _number(2, 1) + _text(8, name) + raw)
        return name

    def output(self, name: str, channels: int = 1) -> None:
        """Make a value an output."""
        self.outputs.append(_value(name, channels, self.side))

    def write(self, file: Path, input_name: str = "input") -> Path:
        """Write the file."""
        graph = b"".join(
            [_bytes(1, one) for one in self.nodes]
            + [_text(2, "graph")]
            + [_bytes(5, one) for one in self.tensors]
            + [_bytes(11, _value(input_name, 3, self.side))]
            + [_bytes(12, one) for one in self.outputs]
        )
        operators = _text(1, "") + _number(2, 13)
        file.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, operators))
        return file


def _value(name: str, channels: int, side: int | None) -> bytes:
    spatial = _text(2, "side") if side is None else _number(1, side)
    dims = [_number(1, 1), _number(1, channels), spatial, spatial]
    shape = b"".join(_bytes(1, one) for one in dims)
    tensor = _number(1, 1) + _bytes(2, shape)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _text(tag: int, value: str) -> bytes:
    return _bytes(tag, value.encode())


def _bytes(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Write a number, seven bits a byte, the lowest first."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
