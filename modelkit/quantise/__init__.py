"""Post-training INT8 for a UNet, calibrated on its own denoising."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import openvino as ov

from bundles.manifest import Quantisation
from modelkit.export.source import Profile, read_profile
from modelkit.progress import Progress, Silent
from modelkit.quantise.calibration_pictures import CALLS_EACH, PICTURES, draw_calibration
from modelkit.quantise.recipe import QuantisationRecipe, quantise
from modelkit.quantise.search import Notes, ScanLimits, Yardstick, find_sensitive
from modelkit.quantise.trajectories import Trajectory
from modelkit.quantise.trajectory_file import Call
from modelkit.quantise.units import Unit, find_units, in_floating_point

RECIPES = (
    QuantisationRecipe(smooth_quant_alpha=0.7, bias_correction="fast"),
    QuantisationRecipe(smooth_quant_alpha=0.95, bias_correction="fast"),
    QuantisationRecipe(smooth_quant_alpha=0.4, bias_correction="fast"),
    QuantisationRecipe(smooth_quant_alpha=None, bias_correction="fast"),
)
"""What is tried on a new model (docs/decisions/0007); the one with the least noise is taken."""

LIMITS = ScanLimits(wanted_db=35.0, most_work=0.05, measurements=48)
"""How much floating point INT8 may keep (docs/decisions/0007)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Search:
    """What quantising works with, besides the model."""

    calibration: Sequence[Call]
    yardstick: Yardstick
    notes: Notes
    say: Progress


def quantise_unet(
    model: ov.Model,
    source: Path,
    *,
    workdir: Path,
    say: Progress,
    profile: Profile | None = None,
    pictures: int = PICTURES,
    calls_each: int = CALLS_EACH,
    recipes: Sequence[QuantisationRecipe] = RECIPES,
    limits: ScanLimits = LIMITS,
) -> tuple[ov.Model, Quantisation]:
    """Make an INT8 UNet, with the layers that suffer most left in floating point.

    The UNet draws pictures of the source's own prompts in FP32, and is calibrated on its inputs at
    steps spread over the whole schedule. Each recipe is tried on a quarter of these and measured on
    pictures held aside; the best one is kept, and layers that bring much for little work get their
    floating point back. A source whose packshot.json says what was found before is not searched.
    Scales are static: a row's result does not depend on its company.

    Args:
        model: As `Recorder` takes it, token merging included. It is left as it is.
        source: The diffusers folder that it was made from.
        workdir: Gets inputs and measurements, so that an interrupted run goes on where it was; for
            this model and these options only.
        say: Hears how far it is.
        profile: What the source draws, and how; None: as `read_profile` says.
        pictures: How many are drawn to calibrate on; four more are held aside.
        calls_each: UNet calls of each picture that are kept.
        recipes: What is tried.
        limits: What the scan for sensitive layers may spend.

    Returns:
        The quantised model and what to write into the manifest.

    Raises:
        BundleError: The source cannot draw, or the model cannot be quantised.
    """
    profile = profile or read_profile(source)
    known = profile.build.quantisation
    drawn, others = draw_calibration(
        model, source, profile, workdir=workdir, say=say, pictures=pictures, calls_each=calls_each
    )
    calls = _calls(drawn)
    if known is not None:
        chosen = _recipe(known)
    else:
        aside = _calls(others)[:: max(1, calls_each // 4)]
        say.stage("measure floating point", len(aside))
        scale = profile.defaults.guidance_scale
        yardstick = Yardstick(model, aside, guidance_scale=scale, say=say)
        notes = Notes(workdir / "measurements.json")
        bench = _Search(calibration=calls, yardstick=yardstick, notes=notes, say=say)
        chosen = _choose(model, recipes, bench)
        chosen = replace(chosen, kept=_sensitive_layers(model, chosen, limits, bench))
    say.stage("quantise", chosen.runs(len(calls)))
    return quantise(model, chosen, calls, say=say), chosen.describe_for(len(calls))


def _recipe(known: Quantisation) -> QuantisationRecipe:
    return QuantisationRecipe(
        smooth_quant_alpha=known.smooth_quant_alpha,
        bias_correction=known.bias_correction,
        kept=known.kept,
    )


def _calls(trajectories: Sequence[Trajectory]) -> list[Call]:
    return [call for trajectory in trajectories for call in trajectory.calls]


def _some(calls: Sequence[Call]) -> Sequence[Call]:
    """Take a quarter of the calibration: enough to tell recipes apart, not to make a bundle."""
    # 5 has no factor in common with the usual number of calls per picture: all steps occur.
    return calls if len(calls) < 20 else calls[::5]


def _choose(
    model: ov.Model, recipes: Sequence[QuantisationRecipe], bench: _Search
) -> QuantisationRecipe:
    """Return the recipe whose UNet is nearest to floating point."""
    if len(recipes) == 1:
        return recipes[0]
    sample = _some(bench.calibration)

    def measure(recipe: QuantisationRecipe) -> float:
        runs = recipe.runs(len(sample))
        total = None if runs is None else runs + len(bench.yardstick)
        bench.say.stage(f"try {recipe.describe()}", total)
        return bench.yardstick.measure(quantise(model, recipe, sample, say=bench.say), bench.say)

    return max(
        recipes, key=lambda recipe: bench.notes.get(recipe.describe(), partial(measure, recipe))
    )


def _sensitive_layers(
    model: ov.Model, recipe: QuantisationRecipe, limits: ScanLimits, bench: _Search
) -> tuple[str, ...]:
    """Return the names of the layers to keep in floating point."""
    if not limits.measurements:
        return ()
    sample = _some(bench.calibration)
    bench.say.stage("prepare the scan", recipe.runs(len(sample)))
    loose = quantise(model, recipe, sample, say=bench.say, compress=False)
    shapes = {name: value.shape for name, value in bench.calibration[0].items()}
    bench.say.stage("find sensitive layers", limits.measurements)

    def measure(units: Sequence[Unit]) -> float:
        name = " ".join([recipe.describe(), *(unit.layers[0] for unit in units)])
        with in_floating_point(loose, units):
            figure = bench.notes.get(name, lambda: bench.yardstick.measure(loose, Silent()))
        bench.say.advance()
        return figure

    kept = find_sensitive(find_units(loose, shapes), measure, limits)
    return tuple(layer for unit in kept for layer in unit.layers)
