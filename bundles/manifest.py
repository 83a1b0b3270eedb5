"""What a model bundle says about itself, in its manifest.json.

The API reads manifests, so nothing here imports torch, openvino, diffusers, optimum or nncf.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bundles.records import Record
from bundles.scheduler_support import SchedulerSupport, untried_support
from core.domain.approximation import NIRVANA, Threshold
from core.domain.image_spec import ImageSpec

FORMAT = 1
"""The newest manifest format that this version reads, and the one it writes."""

FILE_NAME = "manifest.json"


class Defaults(Record):
    """What a request gets that does not say otherwise."""

    steps: int = Field(20, ge=1, description="Denoising steps.")
    guidance_scale: float = Field(3.0, ge=0, description="Classifier-free guidance; <= 1 is none.")
    guidance_start: float = Field(
        0.0, ge=0, le=1, description="Share of the schedule before which guidance is off."
    )
    guidance_end: float = Field(
        1.0, ge=0, le=1, description="Share of the schedule from which it is off again."
    )
    guidance_rescale: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How far what guidance adds to a prediction's spread is taken back "
        "(arXiv 2305.08891); for models with no signal left at the first step about 0.7.",
    )
    scheduler: str = Field("dpmpp_2m", description="Name of the sampling method.")
    width: int = Field(128, ge=8, description="Pixels.")
    height: int = Field(128, ge=8, description="Pixels.")
    negative_prompt: str = Field("", description="What pictures should not show.")

    @property
    def guidance_interval(self) -> tuple[float, float]:
        """Shares of the schedule between which guidance is on."""
        return self.guidance_start, self.guidance_end

    def spec(self, *, prompt: str, seed: int | None, **changes: Any) -> ImageSpec:
        """Return the spec of an image of which only this is said."""
        return ImageSpec.of(dict(self) | {"prompt": prompt, "seed": seed} | changes)


PresetName = Literal["draft", "standard", "best"]

PRESETS: tuple[PresetName, ...] = ("draft", "standard", "best")
"""From the cheapest to the costliest."""
PRESETS_PICTURE = "presets.webp"
"""The same prompts with each setting that was worth its cost; beside the manifest."""


class Preset(Record):
    """A point of a bundle's frontier of quality against cost, as `model presets` measured it."""

    scheduler: str
    steps: int = Field(ge=1)
    guidance_scale: float = Field(ge=0)
    guidance_start: float | None = Field(None, ge=0, le=1, description="Empty: the model's own.")
    guidance_end: float | None = Field(None, ge=0, le=1, description="Empty: the model's own.")
    scores: dict[str, float] = Field(default_factory=dict, description="What it scored, by name.")

    @property
    def parameters(self) -> dict[str, Any]:
        """Return what a request that names it gets."""
        return self.model_dump(exclude={"scores"}, exclude_none=True)


class Sizes(Record):
    """The widths and heights that the model takes, in pixels."""

    min: int = Field(64, ge=8)
    max: int = Field(256, ge=8)
    multiple_of: int = Field(32, ge=1)
    tested: tuple[tuple[int, int], ...] = Field(
        ((128, 128),), description="(width, height) pairs whose quality was measured."
    )


class TokenMergingPlan(Record):
    """Which tokens of the UNet are merged, inside its graph."""

    ratios: tuple[float, ...] = Field(
        min_length=1,
        max_length=2,
        description="Share of the tokens merged at each resolution, the finest first; 0 is none.",
    )
    mode: Literal["mean", "drop", "downsample"] = Field(
        "mean",
        description="Merged tokens are averaged into their partner, or dropped for it; or each "
        "token looks at every second row and column alone.",
    )
    cross_attention: bool = Field(False, description="Merge before cross-attention too.")
    mlp: bool = Field(False, description="Merge before the feed-forward layers too.")


class Quantisation(Record):
    """How a model became INT8."""

    method: Literal["ptq", "qat"] = Field(
        "ptq", description="Post-training, or trained on with quantisation simulated."
    )
    smooth_quant_alpha: float | None = Field(
        None, description="SmoothQuant's migration strength; empty: not used."
    )
    bias_correction: Literal["none", "fast", "accurate"] = "none"
    samples: int = Field(0, ge=0, description="Calls that it was calibrated on.")
    kept: tuple[str, ...] = Field((), description="Layers that were left in floating point.")


class Addition(Record):
    """What the source of a bundle was given besides, or left out of it."""

    kind: Literal["vae", "embedding", "lora", "clip_skip", "timestep_spacing"] = Field(
        description="Another autoencoder, a word, a LoRA, layers of the text encoder left out, or "
        "another choice of timesteps."
    )
    name: str = Field(description="The file's; of layers: how many; of timesteps: which.")
    sha256: str = Field("", description="Of the file.")
    weight: float = Field(1.0, description="Of a LoRA.")


class PromptReading(Record):
    """How a bundle reads prompts, beyond what its text encoder does with them."""

    chunks: int = Field(
        1,
        ge=1,
        le=8,
        description="Texts of the encoder's length that a long prompt may be read as, one after "
        "another.",
    )
    weights: bool = Field(
        False, description="Whether `(word:1.2)`, `((word))` and `[word]` weigh words."
    )


ALIGNMENT_FILE = "feature_alignment.safetensors"
"""In the UNet's folder: scales and shifts of features that come from earlier steps."""


JUDGE = "judge"
"""Folder of the classifier that judges what a bundle draws, where its source has one."""


class FeatureVariant(Record):
    """One of the compiled graphs that make up a UNet whose features are kept between steps."""

    name: str = Field(pattern=r"^[a-z0-9-]+$", description="`full`, or what its folder is called.")
    takes: tuple[str, ...] = Field(
        (), description="Features that it is given instead of computing them."
    )
    leaves: tuple[str, ...] = Field((), description="Features that it gives to later steps.")
    work: float = Field(1.0, gt=0, le=1, description="Its multiplications, as a share of full's.")


def variant_folder(name: str) -> str:
    """Return the folder of a variant's graph, in its bundle."""
    return "unet" if name == "full" else f"unet_{name}"


class DeepCache(Record):
    """The deep part of the UNet runs only at every few steps (Ma et al. 2023, arXiv 2312.00858)."""

    method: Literal["deepcache"] = "deepcache"
    interval: int = Field(ge=2, description="One step of so many is full, on average.")
    branch: int = Field(0, ge=0, description="How many skip connections cheap steps reach down.")
    schedule: Literal["uniform", "centred"] = Field(
        "uniform", description="Full steps at equal distances, or closer where much changes."
    )
    variants: tuple[FeatureVariant, ...] = Field(min_length=2, description="The full one first.")


class BlockCache(Record):
    """Transformer blocks run again when they have changed (Wimbauer et al. 2023, arXiv 2312.03209).

    Changes were measured at `steps` steps, and hold for others by their share of the schedule.
    """

    method: Literal["blockcache"] = "blockcache"
    threshold: float = Field(gt=0, description="Accumulated relative change that is borne.")
    steps: int = Field(ge=2, description="UNet calls of the pictures that changes are known from.")
    changes: dict[str, tuple[float, ...]] = Field(
        description="Each feature's relative L1 change, added up from the first call to each one."
    )
    variants: tuple[FeatureVariant, ...] = Field(min_length=2, description="The full one first.")


FeatureCaching = Annotated[DeepCache | BlockCache, Field(discriminator="method")]
"""How features are kept between a picture's steps."""


class Manifest(Record):
    """A bundle's identity and limits."""

    format: int = Field(FORMAT, ge=1, description="Version of this record's layout.")
    name: str = Field(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    revision: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the source's files and the options, and of the weights and of what "
        "was found out where measuring decided.",
    )
    source: str = Field(description="Folder name or Hub id that the bundle was made from.")
    family: str | None = Field(
        None, description="What the source calls itself, whatever its bundles are called."
    )
    additions: tuple[Addition, ...] = Field(
        (), description="What the source was given besides; part of the revision."
    )
    precision: str = Field("fp16", description="Of the UNet's weights: fp32, fp16, bf16, int8.")
    token_merging: TokenMergingPlan | None = Field(None, description="Empty: no merging.")
    quantisation: Quantisation | None = Field(
        None, description="Of the UNet; empty: not quantised."
    )
    vae_quantisation: Quantisation | None = Field(
        None, description="Of the VAE decoder; empty: not quantised."
    )
    feature_caching: FeatureCaching | None = Field(
        None, description="Empty: every step runs the whole UNet."
    )
    schedulers: dict[str, SchedulerSupport] | None = Field(
        None,
        description="What each can do with this model; empty: built before they were tried.",
    )
    licence: str = Field("unknown", description="SPDX identifier of the weights' licence.")
    defaults: Defaults = Field(default_factory=Defaults)
    presets: dict[PresetName, Preset] = Field(
        default_factory=dict,
        description="What requests may name; `standard` is what `defaults` say then. No part of "
        "the revision. Empty: nobody measured them.",
    )
    sizes: Sizes = Field(default_factory=Sizes)
    latent_channels: int = Field(4, ge=1)
    vae_scale_factor: int = Field(8, ge=1, description="Pixels per latent, along each side.")
    prediction_type: str = Field("epsilon", description="epsilon, v_prediction or sample.")
    max_tokens: int = Field(77, ge=2, description="Prompt length, start and end tokens included.")
    prompt_reading: PromptReading = Field(
        default_factory=PromptReading, description="Long prompts and weights; by default neither."
    )
    languages: tuple[str, ...] = Field(
        ("en",),
        description="Of the captions that it was trained on, ISO 639-1. No part of the revision.",
    )
    prompts: tuple[str, ...] = Field(
        (), description="What `model evaluate` draws when nobody names other prompts."
    )
    streams: int = Field(
        1,
        ge=1,
        description="UNet calls at the same time where neither `tune` nor a setting says so.",
    )
    approximate: tuple[Threshold, ...] | None = Field(
        None,
        description="From which similarity of two prompts on how much of a schedule may be taken "
        "over, as `cache calibrate` measured it; empty: the paper's. No part of the revision.",
    )
    scores: dict[str, float] = Field(
        default_factory=dict, description="Quality figures by name, as `model evaluate` stored."
    )

    @property
    def precisions(self) -> frozenset[str]:
        """What its UNet and its decoder are stored in, as far as a processor may lack it."""
        return frozenset({self.precision} | ({"int8"} if self.vae_quantisation else set()))

    @property
    def approximate_thresholds(self) -> tuple[Threshold, ...]:
        """What its workers follow when an image may begin with another's latents."""
        return NIRVANA if self.approximate is None else self.approximate


def scheduler_support(manifest: Manifest, folder: Path) -> dict[str, SchedulerSupport]:
    """Return what each scheduler can do with a bundle's model.

    Args:
        manifest: The bundle's.
        folder: The bundle's folder. Where schedulers were not tried when it was built, their
            limits are those that its scheduler configuration names.
    """
    if manifest.schedulers is not None:
        return manifest.schedulers
    return untried_support(folder)
