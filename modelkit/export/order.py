"""What is to be built, found possible before anything is made, and what its manifest says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bundles.layout import load_tokenizer
from bundles.manifest import (
    FORMAT,
    Addition,
    BlockCache,
    DeepCache,
    Defaults,
    Manifest,
    PromptReading,
    Quantisation,
    Sizes,
    TokenMergingPlan,
)
from core.errors import BundleError
from modelkit.export.architecture import check_parts
from modelkit.export.configuration import Configuration, read_vae, scale_factor
from modelkit.export.defaults import GivenDefaults
from modelkit.export.resources import require_resources
from modelkit.export.scheduler_trials import read_working_profile
from modelkit.export.source import Profile, content_hash, read_profile
from modelkit.export.unet import check_features, check_plan, wanted_features
from modelkit.features.order import BlockCacheOrder, CachingOrder, check_caching
from modelkit.features.variants import MOST_VARIANTS
from modelkit.progress import Progress
from modelkit.training.record import TrainedUnet, load_record

Size = tuple[int, int]
"""Width and height, in pixels."""


def describe(
    folder: Path,
    *,
    source: str,
    name: str | None,
    revision: str,
    precision: str,
    size: Size | None,
    configuration: Configuration,
    profile: Profile | None = None,
    additions: tuple[Addition, ...] = (),
    token_merging: TokenMergingPlan | None = None,
    quantisation: Quantisation | None = None,
    vae_quantisation: Quantisation | None = None,
    feature_caching: DeepCache | BlockCache | None = None,
    prompt_reading: PromptReading | None = None,
) -> Manifest:
    """Describe a bundle made from `folder`, which was named as `source`."""
    profile = profile or read_profile(folder)
    reading = prompt_reading or PromptReading()
    return Manifest(
        name=name or profile.name or Path(source).name.lower(),
        revision=revision,
        # A folder's path says nothing on another machine, and may say too much.
        source=Path(source).name if Path(source).exists() else source,
        family=profile.name,
        additions=additions,
        precision=precision,
        token_merging=token_merging,
        quantisation=quantisation,
        vae_quantisation=vae_quantisation,
        feature_caching=feature_caching,
        licence=profile.licence or "unknown",
        defaults=resized(profile, size),
        sizes=profile.sizes,
        prompts=profile.prompts,
        streams=profile.streams,
        latent_channels=configuration.vae["latent_channels"],
        vae_scale_factor=scale_factor(configuration.vae),
        prediction_type=configuration.scheduler.get("prediction_type", "epsilon"),
        max_tokens=most_tokens(folder, reading),
        prompt_reading=reading,
    )


def most_tokens(folder: Path, reading: PromptReading) -> int:
    """Return how many tokens of a prompt a model reads, a start and an end token included."""
    return reading.chunks * (load_tokenizer(folder).model_max_length - 2) + 2


def resized(known: Profile | Manifest, size: Size | None) -> Defaults:
    """Return the defaults of a model, with another size if one is given.

    Raises:
        BundleError: The model cannot do that size.
    """
    if size is None:
        return known.defaults
    for pixels, side in zip(size, ("width", "height"), strict=True):
        _check_side(pixels, side, known.sizes)
    return known.defaults.model_copy(update={"width": size[0], "height": size[1]})


def _check_side(pixels: int, side: str, sizes: Sizes) -> None:
    step = sizes.multiple_of
    smallest, largest = -(-sizes.min // step) * step, sizes.max // step * step
    if smallest <= pixels <= largest and pixels % step == 0:
        return
    nearest = min(max(round(pixels / step) * step, smallest), largest)
    raise BundleError(
        f"The model cannot do a {side} of {pixels} pixels: give a multiple of {step} from "
        f"{smallest} to {largest}, such as {nearest}."
    )


Precision = Literal["fp32", "fp16", "bf16", "int8", "int8-qat"]
"""How the UNet is stored and computed.

- fp32: stored and computed in FP32, wherever PACKSHOT_INFERENCE_PRECISION names nothing else.
- fp16: stored in half the size; computed in what the CPU does best.
- bf16: stored as fp16; computed in BF16 where the CPU has it.
- int8: quantised after training, calibrated on the model's own denoising.
- int8-qat: quantised by a training (`packshot model quantise-train`).
"""

VaePrecision = Literal["float", "int8"]
"""How the VAE decoder is stored and computed.

- float: as the rest of the bundle is where that is not quantised.
- int8: quantised after training, calibrated on latents that the UNet has drawn.
"""

Verify = Callable[[Path, Manifest, Path, Progress], None]
"""Hears of a bundle's folder before it is published, of its manifest, and of its source's folder.
It raises BundleError for a bundle that must not be used."""

CONVERSION = 4
"""Grows whenever the same source becomes other models, so that their revisions differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOrder:
    """A bundle that can be built."""

    source: Path
    """A folder in diffusers' layout."""

    precision: Precision
    plan: TokenMergingPlan | None
    """Which tokens are merged; None: none."""

    unet: Path | None = None
    """For int8-qat: the trained UNet's folder."""

    record: TrainedUnet | None = None
    """What that UNet says about itself."""

    caching: CachingOrder | None = None
    """What is kept between steps; None: nothing."""

    vae: VaePrecision = "float"

    defaults: GivenDefaults = field(default_factory=GivenDefaults)

    prompt_reading: PromptReading = field(default_factory=PromptReading)

    @property
    def profile(self) -> Profile:
        """What the model does by default, with a scheduler that works with it."""
        return read_working_profile(self.source, self.defaults.said())

    @property
    def stored_precision(self) -> str:
        """What the manifest calls it."""
        return "int8" if self.precision == "int8-qat" else self.precision

    def options(self) -> dict[str, Any]:
        """Return whatever decides the models besides their source, for the bundle's revision."""
        options = {
            "format": FORMAT,
            "conversion": CONVERSION,
            "precision": self.precision,
            "token_merging": self.plan.model_dump() if self.plan else None,
            "unet": content_hash(self.unet, {}) if self.unet else None,
        }
        # Only where there is some: other bundles keep their revisions.
        if self.caching:
            kind = type(self.caching).__name__
            options["feature_caching"] = {"kind": kind, **self.caching.model_dump()}
        if self.vae != "float":
            options["vae"] = self.vae
        if self.defaults.said():
            # What is calibrated and measured is drawn with them.
            options["defaults"] = self.defaults.said()
        return options | reading_options(self.prompt_reading)


def reading_options(reading: PromptReading) -> dict[str, Any]:
    """Return what of how prompts are read decides a bundle's revision: nothing, by default."""
    said = reading.model_dump(exclude_defaults=True)
    return {"prompt_reading": said} if said else {}


def take_order(
    source: Path,
    *,
    precision: Precision,
    token_merging: TokenMergingPlan | None,
    unet: Path | None,
    caching: CachingOrder | None = None,
    vae: VaePrecision = "float",
    defaults: GivenDefaults | None = None,
    prompt_reading: PromptReading | None = None,
) -> BuildOrder:
    """Assemble the order from its options.

    Raises:
        BundleError: They contradict each other, or the trained UNet is of another model.
    """
    plan = token_merging if token_merging and any(token_merging.ratios) else None
    if (precision == "int8-qat") != (unet is not None):
        raise BundleError(
            "int8-qat and the folder of a trained UNet belong together: make that folder with "
            "`packshot model quantise-train`, and give it with --precision int8-qat --unet FOLDER."
        )
    record = _record_of(unet, source, plan) if unet else None
    return BuildOrder(
        source=source,
        precision=precision,
        plan=record.token_merging if record else plan,
        unet=unet,
        record=record,
        caching=caching,
        vae=vae,
        defaults=defaults or GivenDefaults(),
        prompt_reading=prompt_reading or PromptReading(),
    )


def _record_of(unet: Path, source: Path, plan: TokenMergingPlan | None) -> TrainedUnet:
    record = load_record(unet)
    if record.unet != content_hash(source / "unet", {}):
        raise BundleError(
            f"The UNet in {unet} was trained from another model ({record.source}): give that one, "
            "or train it again."
        )
    if plan not in (None, record.token_merging):
        raise BundleError(
            f"The UNet in {unet} has learned to merge tokens in another way: leave --tome out to "
            "merge as it learned, or train it again."
        )
    return record


def check(order: BuildOrder, target: Path, size: Size | None) -> None:
    """Check before anything is made whether it can be made.

    Raises:
        BundleError: The source is not complete, cannot do the size, the default scheduler and its
            steps, the merging or the keeping of features, or memory or disk are too small.
    """
    weights = check_parts(order.source)
    profile = order.profile
    resized(profile, size)
    if order.plan is not None:
        pixels = scale_factor(read_vae(order.source / "vae"))
        check_plan(order.source / "unet", order.plan, smallest=profile.sizes.min // pixels)
    if order.caching is not None:
        check_caching(order.caching, order.source, profile.defaults)
        check_features(order.source / "unet", wanted_features(order.caching))
    # DeepCache's shallow UNet is next to nothing beside the whole one.
    variants = MOST_VARIANTS if isinstance(order.caching, BlockCacheOrder) else 0
    require_resources(weights, target, precision=order.precision, variants=variants)
