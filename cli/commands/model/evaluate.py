"""`packshot model evaluate`: a bundle's images against another's, and against their prompts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bundles.manifest import FILE_NAME, Manifest
from bundles.manifest_file import load_manifest
from bundles.records import INDEX
from cli.bundles import find_bundle
from cli.console import quieten, say, show, stdout
from cli.errors import UsageError
from cli.progress import ShownStages
from core.errors import BundleError
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.settings import Settings, get_settings
from modelkit.export.architecture import check_architecture
from modelkit.export.source import content_hash, read_profile

if TYPE_CHECKING:
    from modelkit.evaluation.comparison import Evaluated, Subject, Task
    from modelkit.evaluation.similarity import Pixels

SHEET, REPORT = "comparison.png", "evaluation.json"

DEFAULT_PROMPTS = 50

UNITS = {"psnr": "{:.2f} dB", "attribute_accuracy": "{:.1%}"}
"""How a score is written; others have four decimals."""


def evaluate(
    bundle: Annotated[str, typer.Argument(help="Name of a model, or name or folder of a bundle.")],
    against: Annotated[
        str | None,
        typer.Option(
            help="What to compare with: a bundle, such as the FP32 original, or a folder in "
            "diffusers' layout, which diffusers draws with."
        ),
    ] = None,
    prompts: Annotated[
        int, typer.Option(min=1, help="Limit of prompts to draw.")
    ] = DEFAULT_PROMPTS,
    prompts_file: Annotated[
        Path | None,
        typer.Option(help="Text file with a prompt per line. Default: the bundle's prompts."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first prompt; each further one has the next.")
    ] = 1000,
    clip: Annotated[
        Path | None, typer.Option(help="Folder of a CLIP model, to compute the CLIP score with.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the contact sheet and the report.")] = Path(
        "packshot-evaluation"
    ),
) -> None:
    """Score a bundle's images, and compare them with another's for the same prompts and seeds.

    Each bundle draws with its own defaults, on the engine that workers use; diffusers draws with
    the bundle's. The scores are PSNR and SSIM against the other; for the starter model, the share
    of images that show the attributes of their prompts; with --clip, the CLIP score. A bundle that
    carries a judge is compared with true pictures too: distance, sharpness and diversity, each
    with its standard error. All are written into the bundle's manifest.
    """
    quieten()
    settings = get_settings()
    folder = find_bundle(bundle, settings)
    manifest = load_manifest(folder)
    reference_subject = None if against is None else _against(against, manifest, settings)
    from cli.pictures.comparison_sheet import draw_comparison  # noqa: PLC0415
    from modelkit.evaluation.comparison import evaluate as judge  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.comparison import record_scores, write_report  # noqa: PLC0415

    task = _task(folder, manifest, prompts, _read_prompts(prompts_file), seed, clip)
    out.mkdir(parents=True, exist_ok=True)
    with ShownStages() as stages:
        judged, reference = judge(
            _subject(folder, manifest, settings), reference_subject, task, stages
        )
    sheet = draw_comparison(judged, reference, task)
    (out / SHEET).write_bytes(encode(sheet, Format.PNG))
    write_report(out / REPORT, judged, reference, task)
    record_scores(folder, judged.scores)
    show(_table(judged, reference))
    say(f"Side by side: {out / SHEET}")
    stdout.print(str(out / REPORT))


def _task(
    folder: Path,
    manifest: Manifest,
    count: int,
    given: Sequence[str] | None,
    seed: int,
    clip: Path | None,
) -> "Task":
    from modelkit.evaluation.clip import ClipJudge  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.comparison import Task  # noqa: PLC0415
    from modelkit.evaluation.scenes import (  # noqa: PLC0415
        SceneJudge,
        open_judge,
        prompts_of,
        shown_subjects,
    )
    from modelkit.prompts import evaluation_prompts, held_out_products, is_starter  # noqa: PLC0415

    judge = open_judge(folder) if given is None else None
    if judge is not None:
        subjects = shown_subjects(count)
        return Task(
            prompts=prompts_of(subjects),
            first_seed=seed,
            scenes=SceneJudge(judge, subjects),
            clip=None if clip is None else ClipJudge(clip),
        )
    prompts = evaluation_prompts(manifest, count) if given is None else given[:count]
    return Task(
        prompts=prompts,
        first_seed=seed,
        products=held_out_products(count) if given is None and is_starter(manifest) else None,
        clip=None if clip is None else ClipJudge(clip),
    )


def _read_prompts(file: Path | None) -> list[str] | None:
    """Read a prompt per line.

    Raises:
        UsageError: The file is not there, no text, or empty.
    """
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not text in UTF-8: save it as UTF-8, a prompt per line."
        ) from error
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise UsageError(f"{file} has no prompts: write a prompt per line.")
    return prompts


def _subject(folder: Path, manifest: Manifest, settings: Settings) -> "Subject":
    from modelkit.evaluation.comparison import Subject  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.trial import draw  # noqa: PLC0415

    def generate(prompts: Sequence[str], seeds: Sequence[int]) -> "Iterator[Pixels]":
        return draw(folder, manifest, settings, prompts, seeds)

    return Subject(manifest=manifest, generate=generate)


def _against(text: str, bundle: Manifest, settings: Settings) -> "Subject":
    """Return what a bundle is compared with: another one, or diffusers with a source.

    Raises:
        BundleError: It is neither.
    """
    other = find_bundle(text, settings)
    if (other / FILE_NAME).exists() or not (other / INDEX).is_file():
        return _subject(other, load_manifest(other), settings)
    from modelkit.evaluation.comparison import Subject  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.reference import DiffusersReference, has_weights  # noqa: PLC0415

    if not has_weights(other):
        raise BundleError(
            f"{other} has no PyTorch weights (safetensors) for diffusers to draw with: give the "
            "model that it was made from, or a bundle."
        )
    check_architecture(other)

    def generate(prompts: Sequence[str], seeds: Sequence[int]) -> "Iterator[Pixels]":
        return DiffusersReference(other).draw_all(prompts, seeds, bundle.defaults)

    source = bundle.model_copy(
        update={
            "name": f"{read_profile(other).name or other.name} (diffusers)",
            "revision": content_hash(other, {}),
            "precision": "fp32",
            **dict.fromkeys(("token_merging", "quantisation", "vae_quantisation")),
            "feature_caching": None,
        }
    )
    return Subject(manifest=source, generate=generate)


def _table(judged: "Evaluated", reference: "Evaluated | None") -> Table:
    table = Table("score", judged.manifest.name, box=None)
    if reference is not None:
        table.add_column(reference.manifest.name)
    for name in judged.scores:
        other = "" if reference is None else _written(reference, name)
        row = [name, _written(judged, name)]
        table.add_row(*row, *([other] if reference is not None else []))
    return table


def _written(judged: "Evaluated", name: str) -> str:
    value, error = judged.scores.get(name), judged.errors.get(name)
    if value is None:
        return ""
    form = UNITS.get(name, "{:.4f}")
    return form.format(value) + ("" if error is None else f" ± {form.format(error)}")
