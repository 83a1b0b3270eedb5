"""Which family a segmentation network is of, told by its inputs, outputs and operations.

Files of all three come under any name, and a wrong normalisation gives masks that are nearly right.
"""

from dataclasses import dataclass
from typing import Any

from catalogue.cutouts.segmentation import LAYOUTS
from core.errors import BundleError
from worker.segmentation.record import Family

_FAMILIES: dict[Family, str] = {
    "u2net": "U²-Net", "isnet": "IS-Net", "birefnet": "BiRefNet",
}  # fmt: skip
_U2NET_MASKS = 7
"""Six sides and the fused one, which is the first (Qin et al., 2020)."""
_SMALL = 512
"""Side up to which a network of convolutions alone is taken for a U²-Net (320), not for an IS-Net
(1024)."""
_ATTENTION = {"Softmax", "ScaledDotProductAttention", "DeformableConvolution", "GridSample"}
"""Operations that only BiRefNet has: windows of attention, deformable convolutions."""
_PASSED = {"Convert", "Reshape", "Squeeze", "Unsqueeze", "Result", "Slice", "StridedSlice"}
"""Operations that change no value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognisedNetwork:
    """What a network is asked, as far as its graph says."""

    family: Family
    side: int
    output: int
    """Which of its outputs is the mask."""
    logits: bool


def recognise(model: Any, *, family: str | None = None) -> RecognisedNetwork:
    """Recognise a network.

    Args:
        model: As OpenVINO read it.
        family: A key of `LAYOUTS`, where somebody knows; None: look.

    Raises:
        BundleError: It takes or gives something else than photographs and masks, or nothing tells
            which family it is of.
    """
    if family is not None and family not in _FAMILIES:
        raise BundleError(
            f"No family of networks is called {family!r}. Choose one of {', '.join(_FAMILIES)}."
        )
    masks = [number for number, output in enumerate(model.outputs) if _is_mask(output)]
    if not masks:
        shapes = ", ".join(str(output.partial_shape) for output in model.outputs)
        raise BundleError(
            f"The network gives {shapes}, and none of that is a mask of one channel. "
            f"Use one of the families {', '.join(_FAMILIES.values())}."
        )
    side = _side(model)
    named = family if family else _family(model, masks, side)
    # BiRefNet's list goes from coarse to fine; the others' first is the finest.
    output = masks[-1] if named == "birefnet" else masks[0]
    return RecognisedNetwork(
        family=named,
        side=side or LAYOUTS[named].side,
        output=output,
        logits=_ends_in(model.outputs[output]) != "Sigmoid",
    )


def _side(model: Any) -> int | None:
    """Return the side of the square input; None: any.

    Raises:
        BundleError: There is no such input.
    """
    shapes = [one.partial_shape for one in model.inputs]
    if len(shapes) == 1 and shapes[0].rank.is_static and len(shapes[0]) == 4:
        _, channels, height, width = shapes[0]
        if channels.is_dynamic or channels.get_length() == 3:
            if height.is_dynamic or width.is_dynamic:
                return None
            if height.get_length() == width.get_length():
                return int(height.get_length())
    raise BundleError(
        f"The network takes {', '.join(map(str, shapes))}, and a photograph is [1,3,side,side]. "
        "Export it with one image of three channels, channels first, as its input."
    )


def _is_mask(output: Any) -> bool:
    """Check for (1, 1, height, width) or (1, height, width), sides beyond a few pixels."""
    shape = output.partial_shape
    if shape.rank.is_dynamic or len(shape) not in (3, 4):
        return False
    if len(shape) == 4 and (shape[1].is_dynamic or shape[1].get_length() != 1):
        return False
    return all(one.is_dynamic or one.get_length() > 8 for one in (shape[-2], shape[-1]))


def _family(model: Any, masks: list[int], side: int | None) -> Family:
    kinds = {operation.get_type_name() for operation in model.get_ops()}
    if kinds & _ATTENTION:
        return "birefnet"
    if len(masks) == _U2NET_MASKS:
        return "u2net"
    if len(model.outputs) > 1:
        # Six masks, and mostly their six features.
        return "isnet"
    if side is not None:
        return "u2net" if side <= _SMALL else "isnet"
    raise BundleError(
        "Nothing tells which family the network is of: it has one output, an input of any size, "
        f"and convolutions alone. Name the family: --family {' or '.join(_FAMILIES)}."
    )


def _ends_in(output: Any) -> str:
    """Return the operation that an output's values come from."""
    node = output.get_node()
    while node.get_type_name() in _PASSED:
        node = node.input_value(0).get_node()
    return str(node.get_type_name())
