"""One way to quantise a model, and doing it."""

import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Literal

import nncf
import openvino as ov
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
)
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from bundles.manifest import Quantisation
from core.errors import BundleError
from modelkit.progress import Progress
from modelkit.quantise.trajectory_file import Call

OFF = -1.0
"""What switches SmoothQuant off for a type of layer in NNCF."""

NEVER_PATTERNS = (".*token_merging.*",)
"""Names of what is never quantised: similarities of tokens decide by small differences."""

NEVER_TYPES = ("ScaledDotProductAttention",)
"""OpenVINO computes fused attention in floating point; quantising its inputs only loses bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantisationRecipe:
    """What can be chosen about post-training quantisation."""

    smooth_quant_alpha: float | None
    """Share of the activations' outliers that SmoothQuant moves into the weights of linear layers
    (Xiao et al. 2023, arXiv 2211.10438); None leaves them where they are."""
    bias_correction: Literal["none", "fast", "accurate"]
    """Whether biases make up for the mean error of their layer, all at once or one by one."""
    kept: tuple[str, ...] = ()
    """Friendly names of the layers that stay in floating point."""

    def runs(self, calls: int) -> int | None:
        """Return how often quantising runs the model on one of `calls` calls, if that is known."""
        if self.bias_correction == "accurate":
            return None
        return calls if self.smooth_quant_alpha is None else 2 * calls

    def describe_for(self, samples: int) -> Quantisation:
        """Return what a manifest says of it, calibrated on so many calls."""
        return Quantisation(
            method="ptq",
            smooth_quant_alpha=self.smooth_quant_alpha,
            bias_correction=self.bias_correction,
            samples=samples,
            kept=self.kept,
        )

    def describe(self) -> str:
        """Describe it in a few words."""
        alpha = "off" if self.smooth_quant_alpha is None else f"{self.smooth_quant_alpha:g}"
        return f"SmoothQuant {alpha}, bias correction {self.bias_correction}"


def quantise(
    model: ov.Model,
    recipe: QuantisationRecipe,
    calls: Sequence[Call],
    *,
    say: Progress,
    compress: bool = True,
) -> ov.Model:
    """Quantise weights and activations of linear and convolution layers to INT8.

    Weights get a scale per output channel; activations one per tensor, fixed from the calls. Their
    ranges are those with the least squared error over a histogram of all calls: they grow and
    shrink along the schedule, and NNCF's default, the mean of each call's range, cuts off the
    widest.

    Args:
        model: In floating point; it is left as it is.
        recipe: How.
        calls: The inputs to calibrate on.
        say: Advanced by one each time that a call is run; see `runs`.
        compress: Whether weights are stored as INT8; else they stay in floating point with a
            quantiser behind them, which gives the same results.

    Raises:
        BundleError: NNCF cannot quantise this model.
    """

    def count(call: Call) -> Call:
        say.advance()
        return call

    # Not its `set_log_level`, which quietens handlers too that others have put there.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    ignored = nncf.IgnoredScope(names=list(recipe.kept), patterns=list(NEVER_PATTERNS),
                                types=list(NEVER_TYPES), validate=False)  # fmt: skip
    alpha = OFF if recipe.smooth_quant_alpha is None else recipe.smooth_quant_alpha
    try:
        # NNCF draws progress bars of its own on standard output, which is for results.
        with redirect_stdout(StringIO()):
            return nncf.quantize(
                model,
                nncf.Dataset(list(calls), count),
                subset_size=len(calls),
                model_type=nncf.ModelType.TRANSFORMER,
                fast_bias_correction=recipe.bias_correction != "accurate",
                ignored_scope=ignored,
                advanced_parameters=AdvancedQuantizationParameters(
                    activations_range_estimator_params=RangeEstimatorParametersSet.HISTOGRAM,
                    disable_bias_correction=recipe.bias_correction == "none",
                    smooth_quant_alphas=AdvancedSmoothQuantParameters(
                        convolution=OFF, matmul=alpha
                    ),
                    backend_params={"compress_weights": compress},
                ),
            )
    except (RuntimeError, nncf.ValidationError, nncf.InternalError) as error:
        raise BundleError(
            f"The model cannot be quantised ({error}): build the bundle in floating point."
        ) from error
