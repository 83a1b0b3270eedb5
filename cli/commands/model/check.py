"""`packshot model check`: a bundle's images against those of diffusers, scheduler by scheduler."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bundles.manifest import Addition, Manifest, scheduler_support
from bundles.manifest_file import load_manifest
from cli.bundles import find_bundle
from cli.commands.model.additions import (
    ClipSkip,
    Config,
    Embeddings,
    Loras,
    Prediction,
    Spacing,
    read_additions,
)
from cli.console import quieten, say, show
from cli.errors import UsageError
from cli.progress import ShownStages
from core.domain.schedulers import SCHEDULERS
from core.errors import BundleError
from core.settings import get_settings

if TYPE_CHECKING:
    from modelkit.evaluation.scheduler_parity import SchedulerParity
    from modelkit.export.additions import Additions

Parities = Mapping[str, "SchedulerParity"]

PROMPTS = 2

Bundle = Annotated[str, typer.Argument(help="Name of a model, or name or folder of a bundle.")]
Against = Annotated[
    str,
    typer.Option(
        help="What it was built from: a safetensors file, a folder in diffusers' layout, or an "
        "id on the Hub."
    ),
]
Prompts = Annotated[int, typer.Option(min=1, help="Prompts to draw.")]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of the first prompt; each further one has the next.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(help="Only this scheduler. Can be given several times. Default: all."),
]
Full = Annotated[
    bool,
    typer.Option("--full", help="Draw at the bundle's own size and steps, not small and short."),
]
Autoencoder = Annotated[Path | None, typer.Option(help="The autoencoder that it was built with.")]


def check(
    bundle: Bundle,
    against: Against,
    prompts: Prompts = PROMPTS,
    seed: Seed = 1000,
    scheduler: Only = None,
    full: Full = False,
    vae: Autoencoder = None,
    embedding: Embeddings = None,
    lora: Loras = None,
    clip_skip: ClipSkip = 0,
    config: Config = None,
    prediction_type: Prediction = None,
    timestep_spacing: Spacing = None,
) -> None:
    """Draw some prompts with every scheduler, by diffusers and by the bundle, and compare them.

    Both compute in FP32 on the same weights and seeds; the figure is the PSNR of the worst image.
    Exit code 1: a scheduler is further off than the bundle's precision explains. Options that the
    bundle was built with are given again.
    """
    schedulers = _schedulers(scheduler)
    added = read_additions(
        vae=() if vae is None else (str(vae),),
        embeddings=embedding or (),
        loras=lora or (),
        clip_skip=clip_skip,
        config=config,
        prediction=prediction_type,
        spacing=timestep_spacing,
    )
    quieten()
    folder = find_bundle(bundle, get_settings())
    manifest = load_manifest(folder)
    _check_additions(manifest, added)
    known = scheduler_support(manifest, folder)
    usable = [name for name in schedulers if known[name].works]
    found = _compare(folder, manifest, against, added, usable, prompts, seed, full=full)
    show(_table(found))
    if any(one.least is None for one in found.values()):
        say("The bundle draws other images on purpose (INT8 or merged tokens): no limit holds.")
    if bad := [name for name, one in found.items() if not one.good]:
        raise BundleError(
            f"{manifest.name} does not draw what diffusers draws with {', '.join(bad)}: build it "
            "again, and if it stays, report it as a fault of packshot with the model's name."
        )


def _schedulers(given: list[str] | None) -> list[str]:
    for name in given or ():
        if name not in SCHEDULERS:
            raise UsageError(f"There is no scheduler {name!r}. Choose {', '.join(SCHEDULERS)}.")
    return list(dict.fromkeys(given or SCHEDULERS))


def _check_additions(manifest: Manifest, added: "Additions") -> None:
    """Check that the source is given what the bundle was built with.

    Raises:
        BundleError: It is not, or a file is missing.
    """
    added.check()
    if added.described() != manifest.additions:
        built = ", ".join(map(_described, manifest.additions)) or "nothing besides its source"
        raise BundleError(
            f"{manifest.name} was built with {built}: give the same options, or both differ."
        )


def _described(one: Addition) -> str:
    option = f"--{one.kind.replace('_', '-')} {one.name}"
    return f"{option}:{one.weight:g}" if one.kind == "lora" else option


def _compare(
    folder: Path,
    manifest: Manifest,
    against: str,
    added: "Additions",
    schedulers: list[str],
    count: int,
    seed: int,
    *,
    full: bool,
) -> Parities:
    from modelkit.evaluation.parity import sketch  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.reference import has_weights  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.scheduler_parity import compare_schedulers  # noqa: PLC0415
    from modelkit.export.preparation import prepared  # noqa: PLC0415 - loads torch
    from modelkit.export.source import find_source  # noqa: PLC0415
    from modelkit.prompts import evaluation_prompts  # noqa: PLC0415

    with (
        ShownStages() as stages,
        TemporaryDirectory(prefix=f".{manifest.name}-", dir=folder.parent) as aside,
    ):
        source = find_source(against, stages)
        with prepared(source, added, Path(aside) / manifest.name, stages) as ready:
            if not has_weights(ready.folder):
                raise BundleError(
                    f"{against} has no PyTorch weights (safetensors) for diffusers to draw with: "
                    "give the model that the bundle was made from."
                )
            return compare_schedulers(
                folder,
                manifest,
                ready.folder,
                prompts=evaluation_prompts(manifest, count),
                first_seed=seed,
                drawn=manifest.defaults if full else sketch(manifest),
                schedulers=schedulers,
                say=stages,
            )


def _table(found: Parities) -> Table:
    table = Table("scheduler", "PSNR", "at least", "", box=None)
    for name, one in found.items():
        least = "" if one.least is None else f"{one.least:.0f} dB"
        if one.decibels is None:
            table.add_row(name, "—", least, "diffusers cannot draw with it either")
        else:
            table.add_row(name, f"{one.decibels:.1f} dB", least, "" if one.good else "too far off")
    return table
