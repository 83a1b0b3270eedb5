"""`packshot cache calibrate`: how near a prompt must be, for this bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bundles.manifest_file import load_manifest
from cli.bundles import bundle_folder, find_bundle
from cli.console import quieten, say, show, stdout
from cli.progress import ShownStages
from core.domain.approximation import Threshold
from core.settings import get_settings

if TYPE_CHECKING:
    from modelkit.evaluation.calibration import MeasuredPair

REPORT = "calibration.json"


def calibrate(
    bundle: Annotated[
        str | None,
        typer.Argument(
            help="Name of a model, or name or folder of a bundle. Default: the first of "
            "PACKSHOT_MODELS, else PACKSHOT_BUNDLE."
        ),
    ] = None,
    prompts: Annotated[
        int, typer.Option(min=1, help="Limit of the bundle's prompts to draw.")
    ] = 30,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Share of images that may turn out wrong.")
    ] = 0.01,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first prompt; each further one has the next.")
    ] = 1000,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path(
        "packshot-calibration"
    ),
) -> None:
    """Measure how similar two prompts must be for one image to start from the other's latents.

    Draws each prompt in full, and from step K on from the latents of similar and of less similar
    prompts. Images of the starter model must show the attributes of their prompts; those of other
    models must look like the full run. The result is written into the bundle's manifest, and
    workers use it from their next start. The bundle's revision stays: images that are made in full
    do not change.
    """
    quieten()
    settings = get_settings()
    folder = find_bundle(bundle, settings) if bundle else bundle_folder(settings)
    manifest = load_manifest(folder)
    from modelkit.evaluation.calibration import (  # noqa: PLC0415 - loads torch
        WINDOW,
        choose_thresholds,
        make_pairs,
        record_thresholds,
        write_calibration,
    )
    from modelkit.evaluation.trial import measure, trial  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    with trial(folder, manifest, settings) as bench, ShownStages() as stages:
        pairs = make_pairs(manifest, prompts, seed=seed)
        measured = measure(bench, manifest, pairs, first_seed=seed, say=stages)
    thresholds = choose_thresholds(measured, manifest.defaults.steps, tolerance=tolerance)
    write_calibration(out / REPORT, manifest, measured, thresholds)
    record_thresholds(folder, thresholds)
    show(_table(measured, thresholds, manifest.defaults.steps))
    show(_relations(measured, tolerance))
    say("PSNR against the full run, in dB; ✗: too many images turned out wrong.")
    if len(pairs) < WINDOW:
        say(
            f"{len(pairs)} pairs are too few to see one image in a hundred go wrong: "
            "give --prompts 15 or more before you rely on this."
        )
    stdout.print(str(out / REPORT))


def _table(
    measured: Sequence["MeasuredPair"], thresholds: Sequence[Threshold], steps: int
) -> Table:
    from modelkit.evaluation.calibration import summary  # noqa: PLC0415 - loads torch

    allowed = {round(one.share * steps): one.similarity for one in thresholds}
    table = Table("K", "similarity above", "good", "in full", "PSNR", "SSIM", box=None)
    for step in sorted({one.step for one in measured}):
        mean = summary(measured, step)
        table.add_row(
            str(step),
            f"{allowed[step]:.3f}" if step in allowed else "never",
            f"{mean['good']:.1%}",
            f"{mean['good_in_full']:.1%}",
            f"{mean['psnr']:.1f} dB",
            f"{mean['ssim']:.3f}",
        )
    return table


def _relations(measured: Sequence["MeasuredPair"], tolerance: float) -> Table:
    """Show likeness to the full run for each kind of pair, by K."""
    from modelkit.evaluation.calibration import summary  # noqa: PLC0415 - loads torch

    steps = sorted({one.step for one in measured})
    table = Table("pairs", "similarity", *(f"K = {step}" for step in steps), box=None)
    for relation in dict.fromkeys(one.pair.relation for one in measured):
        means = [summary(measured, step, relation) for step in steps]
        cells = [
            f"{mean['psnr']:.1f}"
            + ("" if mean["good_in_full"] - mean["good"] <= tolerance else " ✗")
            for mean in means
        ]
        table.add_row(relation, f"{means[0]['similarity']:.2f}", *cells)
    return table
