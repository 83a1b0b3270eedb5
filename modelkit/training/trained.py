"""A UNet that was trained to be INT8 as an OpenVINO model."""

from pathlib import Path

import openvino as ov

from modelkit.export.unet import Features, trace_unet
from modelkit.training.quantised import load_quantised
from modelkit.training.record import load_record


def trained_unet(folder: Path, features: Features | None = None) -> ov.Model:
    """Convert a trained UNet to OpenVINO: INT8 weights, and quantisers where they were trained.

    Inputs, outputs and open dimensions are those of `unet.convert_unet`.

    Raises:
        BundleError: The folder is no trained UNet, or a damaged one.
    """
    return trace_unet(load_quantised(folder, load_record(folder).token_merging), features)
