"""PyTorch modules as OpenVINO models: what all parts of a bundle have in common."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from safetensors import SafetensorError
from torch import Tensor, nn

from core.errors import BundleError, first_line
from modelkit.export.weights import find_weights

DYNAMIC = -1
"""A dimension that stays open."""

MODEL_FILE = "openvino_model.xml"
"""What the Hub's OpenVINO layout calls each part's graph; the weights are in the .bin beside it."""


def load_part(kind: Any, folder: Path) -> Any:
    """Read a part of a diffusers folder in float32, from safetensors only, for inference.

    Args:
        kind: A model class of diffusers or transformers.
        folder: The part's folder.

    Raises:
        BundleError: The folder is not complete, or not of that kind.
    """
    weights = find_weights(folder)
    try:
        model, loaded = kind.from_pretrained(
            folder,
            variant=weights.variant,
            torch_dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BundleError(_unusable(folder, first_line(error))) from error
    if loaded["missing_keys"]:
        # The libraries would go on with random numbers in their place.
        raise BundleError(_unusable(folder, f"no weights for {min(loaded['missing_keys'])}"))
    return model.eval().requires_grad_(False)


def _unusable(folder: Path, reason: str) -> str:
    return f"{folder} cannot be used ({reason}): give a complete Stable Diffusion model"


def convert(
    module: nn.Module,
    examples: Mapping[str, Tensor],
    shapes: Mapping[str, Sequence[int]],
    *,
    outputs: Sequence[str],
) -> ov.Model:
    """Trace a module to an OpenVINO model, which shares its weights.

    Args:
        module: Takes tensors by name and gives one tensor, or several.
        examples: Inputs to trace with, by name, in the order of the module's arguments.
        shapes: Each input's shape in the result, DYNAMIC where it stays open.
        outputs: Names of the results.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing warns of each branch in the models' code; none depends on the data here.
        warnings.simplefilter("ignore")
        # What `ov.convert_model` makes of a module, without tracing a second time to compare.
        traced = TorchScriptPythonDecoder(
            module.eval(), example_input=dict(examples), trace_kwargs={"check_trace": False}
        )
        model = ov.convert_model(
            traced,
            input=[(name, ov.PartialShape(list(shape))) for name, shape in shapes.items()],
        )
    for port, name in zip(model.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    return model


def save(model: ov.Model, path: Path, *, halves: bool) -> None:
    """Write a model as `path` (.xml) and its .bin, with FP32 weights as FP16 when `halves`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, path, compress_to_fp16=halves)
