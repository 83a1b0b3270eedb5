"""Post-training INT8 for a VAE decoder, calibrated on the latents that it is going to decode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from bundles.manifest import Quantisation
from modelkit.export.configuration import decoder_folder, read_vae, scale_factor
from modelkit.export.source import Profile, read_profile
from modelkit.progress import Progress
from modelkit.quantise.calibration_pictures import draw_calibration
from modelkit.quantise.recipe import QuantisationRecipe, quantise
from modelkit.quantise.trajectories import GOLDEN
from modelkit.quantise.trajectory_file import Call, Latents
from modelkit.quantise.units import WEIGHTED

KEPT = ("post_quant_conv", "decoder.conv_in", "decoder.conv_out")
"""Layers that stay in floating point (docs/decisions/0007): where latents come in and pixels go
out, next to none of the work."""

TINY = ".decoder.layers."
"""In the names of a tiny decoder's layers, which are numbered: the same two stay there."""

CALIBRATED_PIXELS = 256
"""Longest side of what is calibrated on: memory grows with the pixels, for all layers at once."""


def quantise_decoder(
    decoder: ov.Model,
    unet: ov.Model,
    source: Path,
    *,
    workdir: Path,
    say: Progress,
    profile: Profile | None = None,
) -> tuple[ov.Model, Quantisation]:
    """Make an INT8 decoder of a floating-point one.

    It is calibrated on the last latents of the trajectories that a UNet is calibrated on. Scales
    are static: an image does not depend on those that are decoded with it.

    Args:
        decoder: In floating point: input `latent_sample`. It is left as it is.
        unet: What draws the latents, if `workdir` does not hold them from its own calibration.
        source: The diffusers folder that both were made from.
        workdir: That of `quantise_unet`; an interrupted run goes on where it was.
        say: Hears how far it is.
        profile: What the source draws, and how; None: as `read_profile` says.

    Returns:
        The quantised decoder and what to write into the manifest.

    Raises:
        BundleError: The source cannot draw, or the decoder cannot be quantised.
    """
    profile = profile or read_profile(source)
    drawn, _ = draw_calibration(unet, source, profile, workdir=workdir, say=say)
    config = read_vae(decoder_folder(source))
    calls = _calls([one.latents for one in drawn], config)
    recipe = decoder_recipe(decoder)
    say.stage("quantise the decoder", recipe.runs(len(calls)))
    return quantise(decoder, recipe, calls, say=say), recipe.describe_for(len(calls))


def decoder_recipe(decoder: ov.Model) -> QuantisationRecipe:
    """Return how a decoder in floating point is quantised."""
    return QuantisationRecipe(smooth_quant_alpha=None, bias_correction="none", kept=_kept(decoder))


def _kept(decoder: ov.Model) -> tuple[str, ...]:
    layers = [op.get_friendly_name() for op in decoder.get_ordered_ops()
              if op.get_type_name() in WEIGHTED]  # fmt: skip
    if any(TINY in layer for layer in layers):
        return layers[0], layers[-1]
    return tuple(layer for layer in layers if any(name in layer for name in KEPT))


def _calls(latents: Sequence[Latents], config: dict[str, Any]) -> list[Call]:
    """Return the decoder's inputs, each another part of its picture where that is large."""
    side = CALIBRATED_PIXELS // scale_factor(config)
    scale = float(config["scaling_factor"])
    return [
        {"latent_sample": _part(one, side, shift=number * GOLDEN % 1) / np.float32(scale)}
        for number, one in enumerate(latents)
    ]


def _part(latents: Latents, side: int, *, shift: float) -> Latents:
    """Cut out at most `side` latents along each side, `shift` (0 to 1) into what is left."""
    top, left = (int(shift * max(0, extent - side + 1)) for extent in latents.shape[2:])
    return latents[:, :, top : top + side, left : left + side]
