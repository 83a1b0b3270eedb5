"""A UNet with INT8 simulated, as NNCF makes it: trainable, and stored without pickles."""

import json
import logging
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import nncf
import openvino as ov
from diffusers import UNet2DConditionModel
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
)
from nncf.quantization.range_estimator import RangeEstimatorParametersSet
from nncf.torch import get_config, load_from_config
from nncf.torch.quantization.extensions import QuantizedFunctionsCPU
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from bundles.manifest import Quantisation, TokenMergingPlan
from core.errors import BundleError, first_line
from modelkit.export.unet import Features, trace_unet
from modelkit.token_merging import merge_tokens
from modelkit.training.record import load_record
from modelkit.training.target import forget_path
from modelkit.training.teacher import TeacherCall

WEIGHTS = "weights.safetensors"
PLACES = "quantisers.json"

KEPT = ("conv_in", "conv_out", "time_embedding", "time_emb_proj", "conv_shortcut", "ff/linear")
"""Layers that stay in floating point, as NNCF names them (it leaves lists out: `ff/linear` is
diffusers' `ff.net.2`): those that scans for sensitive layers find
(docs/decisions/0007). Quantising the first and the last one alone makes eight times the error of
all others together."""

FLOATING = ("scaled_dot_product_attention", "matmul", "bmm", "embedding_bag")
"""Operations that stay in floating point. OpenVINO computes fused attention so, whatever its inputs
were rounded to; and no layer of a UNet is a plain matrix product (layers are `linear`): those are
Token Merging's similarities, where rounding would choose other tokens, and averages."""

DESCRIPTION = Quantisation(
    method="qat",
    smooth_quant_alpha=None,
    bias_correction="fast",
    kept=KEPT,
)
"""How `quantise` begins."""


def quantise(unet: UNet2DConditionModel, calls: Sequence[TeacherCall]) -> UNet2DConditionModel:
    """Return a copy with quantisers in it, their ranges set from real calls.

    What NNCF's post-training quantisation does (weights per channel, activations per tensor, fast
    bias correction), without SmoothQuant: it wins an eighth of the error before training, for a
    quarter more quantisers and a multiplication before each linear layer ever after.
    """
    data = nncf.Dataset(calls, _arguments)
    kept = [f".*(^|/){name}/.*" for name in KEPT]
    off = AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
    _load_kernels()
    # NNCF draws progress bars of its own.
    with redirect_stdout(StringIO()):
        return nncf.quantize(
            unet,
            data,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calls),
            ignored_scope=nncf.IgnoredScope(patterns=kept, types=list(FLOATING), validate=False),
            advanced_parameters=AdvancedQuantizationParameters(
                activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM,
                smooth_quant_alphas=off,
            ),
        )


def save_quantised(unet: UNet2DConditionModel, folder: Path) -> None:
    """Write the UNet's configuration, its weights with the quantisers' ranges, and their places."""
    state = {name: value.detach().cpu().contiguous() for name, value in unet.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    save_places(unet, folder / PLACES)
    unet.save_config(folder)
    forget_path(folder / "config.json")


def save_places(unet: UNet2DConditionModel, path: Path) -> None:
    """Write where the quantisers are, and of what kind."""
    path.write_text(json.dumps(get_config(unet), indent=1) + "\n", encoding="utf-8")


def with_quantisers(unet: UNet2DConditionModel, path: Path) -> UNet2DConditionModel:
    """Put quantisers where `save_places` says, their ranges still unknown; changes `unet`."""
    _load_kernels()
    return load_from_config(unet, json.loads(path.read_bytes()))


def load_quantised(folder: Path, plan: TokenMergingPlan | None) -> UNet2DConditionModel:
    """Read what `save_quantised` wrote of a UNet that merges tokens by `plan`.

    Raises:
        BundleError: The folder is not complete, or damaged.
    """
    try:
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder))
        if plan is not None:
            merge_tokens(unet, plan)
        module = with_quantisers(unet, folder / PLACES)
        module.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BundleError(
            f"{folder} is no trained UNet ({first_line(error)}): "
            "make one with `packshot model quantise-train`."
        ) from error
    return module.eval().requires_grad_(False)


def _arguments(call: TeacherCall) -> dict[str, Any]:
    return {
        "sample": call.sample,
        "timestep": call.timestep,
        "encoder_hidden_states": call.states,
        "return_dict": False,
    }


def _load_kernels() -> None:
    """Load NNCF's quantisers, which a C++ compiler makes at the first use on a machine.

    Without a compiler NNCF computes them in PyTorch, more slowly.
    """
    # Not its `set_log_level`, which quietens handlers too that others have put there.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    os.environ.setdefault("NNCF_EXTENSION_LOAD_TIMEOUT", "0")
    QuantizedFunctionsCPU.get("Quantize_forward")


def trained_unet(folder: Path, features: Features | None = None) -> ov.Model:
    """Convert a trained UNet to OpenVINO: INT8 weights, and quantisers where they were trained.

    Inputs, outputs and open dimensions are those of `unet.convert_unet`.

    Raises:
        BundleError: The folder is no trained UNet, or a damaged one.
    """
    return trace_unet(load_quantised(folder, load_record(folder).token_merging), features)
