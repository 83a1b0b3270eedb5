"""`packshot model presets`: which settings of a bundle are worth having."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bundles.manifest import Manifest, PresetName, scheduler_support
from bundles.manifest_file import load_manifest
from bundles.model_input import read_model_input
from cli.bundles import find_bundle
from cli.console import quieten, say, show, stdout
from cli.errors import UsageError
from cli.progress import ShownStages
from core.domain.schedulers import is_stochastic
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from modelkit.evaluation.frontier import Interval, Point, Setting
    from modelkit.evaluation.presets import Examination, MeasuredSettings

SHEET, REPORT = "presets.png", "presets.json"

SHOWN = 8
"""Prompts in the picture."""


Bundle = Annotated[str, typer.Argument(help="Name of a model, or name or folder of a bundle.")]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        help="Another bundle of the model, such as one in INT8, with merged tokens or kept "
        "features, to measure with the settings that are worth having. Repeat for several."
    ),
]
Minutes = Annotated[
    float,
    typer.Option(min=0, help="Limit of each bundle's time for drawing. The cheapest go first."),
]
Images = Annotated[int, typer.Option(min=8, help="Limit of images to draw with each setting.")]
Scheduler = Annotated[
    list[str] | None,
    typer.Option(help="A scheduler to try. Repeat for several. Default: all that draw no noise."),
]
Steps = Annotated[
    list[int] | None,
    typer.Option(min=1, help="A number of steps to try. Repeat for several. Default: 1 to 30."),
]
GuidanceScale = Annotated[
    list[float] | None,
    typer.Option(
        min=0,
        help="A guidance scale to try. Repeat for several. Default: none, the bundle's and the "
        "one between.",
    ),
]
GuidanceInterval = Annotated[
    list[str] | None,
    typer.Option(
        metavar="START:END",
        help="Shares of the schedule between which guidance is on, such as 0:0.5. Repeat for "
        "several. Default: all of it, the first half, and its middle.",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of the first image; each further one has the next.")
]
Out = Annotated[Path, typer.Option(help="Folder for the picture and the report.")]


def presets(
    bundle: Bundle,
    beside: Beside = None,
    minutes: Minutes = 30.0,
    images: Images = 100,
    scheduler: Scheduler = None,
    steps: Steps = None,
    guidance_scale: GuidanceScale = None,
    guidance_interval: GuidanceInterval = None,
    seed: Seed = 1000,
    out: Out = Path("packshot-presets"),
) -> None:
    """Measure quality against cost, and write draft, standard and best into the manifest.

    Draws the same prompts and seeds with each setting. The judge that a bundle carries compares
    them with true pictures; without one, images are compared with those of the costliest setting,
    and guidance, which cannot be compared so, stays. What another setting beats is left out.
    `standard` becomes what requests get that name nothing. The bundle's revision stays: an image
    with the same settings is the same. Of bundles beside it only the seconds and the quality are
    shown: whether what they were built with is worth more than fewer steps.
    """
    quieten()
    settings = get_settings()
    folder = find_bundle(bundle, settings)
    manifest = load_manifest(folder)
    compared = _others(beside or (), manifest, settings)
    from modelkit.evaluation.frontier import choose_presets  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.presets import (  # noqa: PLC0415
        Examination,
        measure_settings,
        record_presets,
        write_presets,
    )
    from modelkit.evaluation.trial import trial  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    examination = Examination.of(folder, manifest, images=images, seed=seed)
    tried = _settings(
        folder, manifest, examination, scheduler, steps, guidance_scale, guidance_interval
    )
    with trial(folder, manifest, settings) as bench, ShownStages() as stages:
        measured = measure_settings(bench, examination, tried, minutes=minutes, say=stages)
        others = [
            point
            for other, its in compared
            for point in _measure_beside(
                other, its, settings, examination, measured, minutes, stages
            )
        ]
    chosen = choose_presets(measured.points)
    sheet = _sheet(manifest, examination, measured, chosen)
    (out / SHEET).write_bytes(encode(sheet, Format.PNG))
    write_presets(out / REPORT, manifest, measured, chosen, others)
    record_presets(folder, chosen, encode(sheet, Format.WEBP))
    show(_table(measured, chosen))
    if others:
        show(_table_beside(manifest, measured.points, others))
        _say_which_is_faster(others, chosen["standard"])
    if measured.unmeasured:
        say(
            f"Not measured within {minutes:g} minutes: {measured.unmeasured} of {len(tried)} "
            "settings. Give --minutes more to measure all."
        )
    say(f"The same prompts in columns: {out / SHEET}")
    stdout.print(str(out / REPORT))


def _others(
    names: Sequence[str], manifest: Manifest, settings: Settings
) -> list[tuple[Path, Manifest]]:
    """Find the bundles that are measured beside one.

    Raises:
        BundleError: One is none, or draws images of another size.
    """
    from modelkit.evaluation.comparison import check_sizes  # noqa: PLC0415 - loads torch

    found = []
    for name in names:
        folder = find_bundle(name, settings)
        other = load_manifest(folder)
        check_sizes(manifest, other)
        found.append((folder, other))
    return found


def _measure_beside(
    folder: Path,
    manifest: Manifest,
    settings: Settings,
    examination: "Examination",
    measured: "MeasuredSettings",
    minutes: float,
    stages: ShownStages,
) -> list["Point"]:
    """Measure another bundle with the settings that were worth having of the first."""
    from modelkit.evaluation.frontier import frontier  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.presets import measure_settings  # noqa: PLC0415
    from modelkit.evaluation.trial import trial  # noqa: PLC0415

    tried = [point.setting for point in frontier(measured.points)]
    with trial(folder, manifest, settings) as bench:
        found = measure_settings(
            bench, examination, tried, minutes=minutes, say=stages, beside=measured
        )
    return [replace(point, bundle=manifest.name) for point in found.points]


def _settings(
    folder: Path,
    manifest: Manifest,
    examination: "Examination",
    schedulers: list[str] | None,
    steps: list[int] | None,
    scales: list[float] | None,
    intervals: list[str] | None,
) -> list["Setting"]:
    """Return what is to be measured.

    Raises:
        UsageError: Guidance scales are given and nobody can judge them, or a scheduler does not
            work with the model.
    """
    from modelkit.evaluation.frontier import STEPS, settings_of  # noqa: PLC0415 - loads torch

    limits = {
        name: one.limits for name, one in scheduler_support(manifest, folder).items() if one.works
    }
    if strange := sorted(set(schedulers or ()) - set(limits)):
        raise UsageError(
            f"{manifest.name} does not work with the scheduler {strange[0]}: choose of "
            f"{', '.join(limits)}."
        )
    return settings_of(
        manifest.defaults,
        limits,
        schedulers=schedulers or [name for name in limits if not is_stochastic(name, {})],
        steps=steps or STEPS,
        scales=_scales(manifest, scales, is_judged=examination.scenes is not None),
        intervals=_intervals(manifest, intervals, is_judged=examination.scenes is not None),
        embedded=read_model_input(folder).embeds_guidance,
    )


def _scales(manifest: Manifest, scales: list[float] | None, *, is_judged: bool) -> list[float]:
    """Return the guidance scales to measure: without a judge the bundle's own alone."""
    own = manifest.defaults.guidance_scale
    if is_judged:
        return scales or [1.0, (1 + own) / 2, own]
    if scales:
        raise UsageError(
            f"{manifest.name} carries no judge, and without one guidance cannot be compared: leave "
            "--guidance-scale out."
        )
    return [own]


def _intervals(
    manifest: Manifest, intervals: list[str] | None, *, is_judged: bool
) -> "Sequence[Interval]":
    """Return when guidance is tried to be on: without a judge as the bundle has it alone."""
    from modelkit.evaluation.frontier import INTERVALS  # noqa: PLC0415 - loads torch

    if is_judged:
        return [_interval(text) for text in intervals] if intervals else INTERVALS
    if intervals:
        raise UsageError(
            f"{manifest.name} carries no judge, and without one guidance cannot be compared: leave "
            "--guidance-interval out."
        )
    return [manifest.defaults.guidance_interval]


def _interval(text: str) -> "Interval":
    """Read an interval of guidance.

    Raises:
        UsageError: It is none.
    """
    try:
        start, end = map(float, text.split(":"))
    except ValueError:
        start = end = 0.0
    if not 0 <= start < end <= 1:
        raise UsageError(
            f"{text!r} is no interval: write two shares of the schedule, the smaller one first, "
            "such as 0:0.5."
        )
    return start, end


def _table(measured: "MeasuredSettings", chosen: Mapping[PresetName, "Point"]) -> Table:
    from modelkit.evaluation.frontier import frontier  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.presets import describe_setting  # noqa: PLC0415

    kept = frontier(measured.points)
    names = list(measured.points[0].scores)
    table = Table("setting", "UNet rows", "s an image", *names, "preset", box=None)
    for point in sorted(measured.points, key=lambda one: one.setting):
        given = [name for name, one in chosen.items() if one == point]
        table.add_row(
            describe_setting(point.setting),
            str(point.setting.rows),
            f"{point.seconds:.3f}",
            *(f"{point.scores[name]:.3f}" for name in names),
            ", ".join(given) or ("" if point in kept else "dominated"),
        )
    return table


def _table_beside(manifest: Manifest, own: Sequence["Point"], others: Sequence["Point"]) -> Table:
    """Show what is worth having among several bundles, by seconds, and what stands beside it."""
    from modelkit.evaluation.frontier import frontier, seconds_of  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.presets import describe_setting  # noqa: PLC0415

    points = [*(replace(point, bundle=manifest.name) for point in frontier(own)), *others]
    kept = frontier(points, seconds_of)
    names = list(points[0].scores)
    table = Table("bundle", "setting", "s an image", *names, "", box=None)
    for point in sorted(points, key=seconds_of):
        table.add_row(
            point.bundle,
            describe_setting(point.setting),
            f"{point.seconds:.3f}",
            *(f"{point.scores[name]:.3f}" for name in names),
            "" if point in kept else "dominated",
        )
    return table


def _say_which_is_faster(others: Sequence["Point"], standard: "Point") -> None:
    from modelkit.evaluation.frontier import fastest_like  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.presets import describe_setting  # noqa: PLC0415

    for name in dict.fromkeys(point.bundle for point in others):
        alike = fastest_like([one for one in others if one.bundle == name], standard)
        if alike is None:
            say(f"{name}: no setting that was measured is as good as standard.")
        else:
            say(
                f"{name}: as good as standard with {describe_setting(alike.setting)}, in "
                f"{alike.seconds / standard.seconds:.2f} of its time."
            )


def _sheet(
    manifest: Manifest,
    examination: "Examination",
    measured: "MeasuredSettings",
    chosen: Mapping[PresetName, "Point"],
) -> "Image":
    """Draw the first prompts with each setting of the frontier, the cheapest at the left."""
    from cli.pictures.comparison_sheet import ComparisonRow, draw_rows  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.frontier import frontier  # noqa: PLC0415
    from modelkit.evaluation.presets import describe_setting  # noqa: PLC0415

    kept = frontier(measured.points)
    columns = [measured.images[measured.points.index(point)] for point in kept]
    names = []
    for point in kept:
        given = [name for name, one in chosen.items() if one == point]
        names.append(": ".join([*given[:1], describe_setting(point.setting)]))
    # Of one prompt several images are drawn: others say more.
    first = list({prompt: number for number, prompt in enumerate(examination.prompts)}.values())
    rows = [
        ComparisonRow(
            prompt=examination.prompts[number],
            note=f"seed {examination.first_seed + number}",
            images=[column[number] for column in columns],
        )
        for number in first[:SHOWN]
    ]
    return draw_rows(f"{manifest.name}: what is worth its cost", names, rows)
