"""`packshot model build`: a model becomes a bundle."""

import re
from collections.abc import Collection
from functools import partial
from pathlib import Path

from bundles.manifest import Manifest, PromptReading, TokenMergingPlan
from bundles.processor import read_features, shortcomings
from cli.bundles import bundles_folder
from cli.commands.model.additions import (
    ClipSkip,
    Config,
    Embeddings,
    Loras,
    Prediction,
    Spacing,
    Vae,
    VaePrecision,
    read_additions,
    vae_precision,
)
from cli.commands.model.build_options import (
    DefaultSteps,
    Guidance,
    GuidanceRescale,
    Height,
    LongPrompts,
    Name,
    Precision,
    PromptWeights,
    Scheduler,
    Source,
    Unet,
    Width,
)
from cli.commands.model.caching import (
    BlockCache,
    DeepCache,
    DeepCacheBranch,
    DeepCacheSchedule,
    caching_order,
)
from cli.commands.model.options import (
    Tome,
    TomeCrossAttention,
    TomeMlp,
    TomeMode,
    progress,
    token_merging_plan,
)
from cli.console import quieten, say, stdout
from cli.errors import UsageError
from core.domain.schedulers import SCHEDULERS
from core.settings import get_settings
from modelkit.export.additions import Additions
from modelkit.export.defaults import GivenDefaults
from modelkit.export.source import read_profile
from modelkit.export.unused import unused
from modelkit.features.order import CachingOrder
from modelkit.progress import Progress


def build(
    source: Source,
    name: Name,
    precision: Precision = None,
    tome: Tome = None,
    tome_mode: TomeMode = "mean",
    tome_cross_attention: TomeCrossAttention = False,
    tome_mlp: TomeMlp = False,
    deepcache: DeepCache = None,
    deepcache_branch: DeepCacheBranch = 0,
    deepcache_schedule: DeepCacheSchedule = "uniform",
    blockcache: BlockCache = None,
    height: Height = None,
    width: Width = None,
    steps: DefaultSteps = None,
    guidance: Guidance = None,
    guidance_rescale: GuidanceRescale = None,
    scheduler: Scheduler = None,
    vae: Vae = None,
    unet: Unet = None,
    embedding: Embeddings = None,
    lora: Loras = None,
    clip_skip: ClipSkip = 0,
    config: Config = None,
    prediction_type: Prediction = None,
    timestep_spacing: Spacing = None,
    long_prompts: LongPrompts = 1,
    prompt_weights: PromptWeights = False,
) -> None:
    """Convert a model to a bundle that packshot can serve, in PACKSHOT_HOME/bundles.

    At the end a small image is compared with the one that diffusers draws with the same weights,
    seed and scheduler; a bundle that differs too much is discarded. After Ctrl-C the same command
    continues where it was.
    """
    _make(
        source,
        name,
        precision=precision,
        size=_check(name, scheduler, width, height),
        token_merging=token_merging_plan(
            tome, mode=tome_mode, cross_attention=tome_cross_attention, mlp=tome_mlp
        ),
        caching=caching_order(
            deepcache, branch=deepcache_branch, schedule=deepcache_schedule, blockcache=blockcache
        ),
        unet=unet,
        vae=vae_precision(vae or ()),
        defaults=_defaults(steps, guidance, guidance_rescale, scheduler),
        additions=read_additions(
            vae=vae or (),
            embeddings=embedding or (),
            loras=lora or (),
            clip_skip=clip_skip,
            config=config,
            prediction=prediction_type,
            spacing=timestep_spacing,
        ),
        prompt_reading=PromptReading(chunks=long_prompts, weights=prompt_weights),
    )


def _defaults(
    steps: int | None,
    guidance_scale: float | None,
    guidance_rescale: float | None,
    scheduler: str | None,
) -> GivenDefaults:
    return GivenDefaults(
        steps=steps,
        guidance_scale=guidance_scale,
        guidance_rescale=guidance_rescale,
        scheduler=scheduler,
    )


def _make(
    source: str,
    name: str,
    *,
    precision: Precision,
    size: tuple[int, int] | None,
    token_merging: TokenMergingPlan | None,
    caching: CachingOrder | None,
    unet: Path | None,
    vae: VaePrecision,
    defaults: GivenDefaults,
    additions: Additions,
    prompt_reading: PromptReading,
) -> None:
    """Build what the options ask for, and report what came of it."""
    quieten()
    known = precision or _own_precision(source)
    _say_shortcomings({known, vae} if known is not None else ())
    from modelkit.export.build import build as build_bundle  # noqa: PLC0415 - loads torch

    folder = bundles_folder(get_settings()) / name
    compared: list[str] = []
    with progress("Run the same command again to continue.") as stages:
        manifest = build_bundle(
            source,
            folder,
            name=name,
            precision=precision,
            token_merging=token_merging,
            size=size,
            unet=unet,
            caching=caching,
            vae=vae,
            defaults=defaults,
            additions=additions,
            prompt_reading=prompt_reading,
            verify=partial(_verify, compared),
            say=stages,
        )
    if Path(source).is_file():
        say(_how_read(manifest))
    _say_shortcomings(manifest.precisions if known is None else ())
    for sentence in (*compared, f"To use it, set PACKSHOT_BUNDLE={folder}"):
        say(sentence)
    stdout.print(str(folder))


def _check(
    name: str, scheduler: str | None, width: int | None, height: int | None
) -> tuple[int, int] | None:
    """Check what is written into the bundle; return the size, if there is one.

    Raises:
        UsageError: It cannot be used.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise UsageError(
            f"The name {name!r} cannot be used: take lower-case letters, digits, '.', '_' and '-', "
            "and begin with a letter or digit."
        )
    if scheduler is not None and scheduler not in SCHEDULERS:
        raise UsageError(f"There is no scheduler {scheduler!r}. Choose {', '.join(SCHEDULERS)}.")
    if width is not None and height is not None:
        return width, height
    if width is not height:
        raise UsageError("Give --width and --height together.")
    return None


def _verify(
    compared: list[str], bundle: Path, manifest: Manifest, source: Path, stages: Progress
) -> None:
    """Compare a bundle with diffusers, and note what to say of it.

    Raises:
        BundleError: They differ.
    """
    from modelkit.evaluation.parity import check_parity  # noqa: PLC0415 - loads torch
    from modelkit.evaluation.reference import has_weights  # noqa: PLC0415 - loads torch

    if has_weights(source):
        compared += [f"Left out: {what}." for what in unused(source)]
        compared.append(
            f"Compared with diffusers: {check_parity(bundle, manifest, source, stages)}."
        )
    else:
        compared.append(
            "Not compared with diffusers: the source has no PyTorch weights. Look at some images "
            "before you use it."
        )


def _how_read(manifest: Manifest) -> str:
    """Report what a single file was taken for, which it does not say itself."""
    size = f"{manifest.defaults.width}×{manifest.defaults.height} pixels"
    return (
        f"Read as a model that predicts {manifest.prediction_type} and draws {size}; where that is "
        "wrong, give --prediction-type or --config."
    )


def _own_precision(source: str) -> str | None:
    """Return what a source becomes that nobody gives a precision.

    None where only reading it tells: a model on the Hub, or one that is converted already.
    """
    from modelkit.export.adoption import is_converted  # noqa: PLC0415 - loads torch

    folder = Path(source)
    if not folder.is_dir() or is_converted(folder):
        return None
    return read_profile(folder).build.precision


def _say_shortcomings(precisions: Collection[str]) -> None:
    for sentence in shortcomings(read_features(), precisions):
        say(sentence)
