"""What a worker computes in."""

import openvino as ov

from bundles.manifest import Manifest
from core.settings import Settings


def inference_precision(settings: Settings, bundle: Manifest) -> str:
    """Give the precision of the UNet and the decoder: `f32`, `bf16`, or `auto` for OpenVINO's.

    What the settings name is taken; else what the bundle was built for. fp16 and int8 say how
    weights are stored, and leave the rest to OpenVINO.

    Args:
        settings: The worker's.
        bundle: Its model.
    """
    if settings.inference_precision != "auto":
        return settings.inference_precision
    if bundle.precision == "fp32":
        return "f32"
    if bundle.precision == "bf16" and _has_bf16(settings.device):
        return "bf16"
    return "auto"


def _has_bf16(device: str) -> bool:
    # Asked for it on a CPU without, OpenVINO would emulate it.
    return "BF16" in ov.Core().get_property(device, "OPTIMIZATION_CAPABILITIES")
