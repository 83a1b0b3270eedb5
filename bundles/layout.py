"""What a bundle's folder says of its parts: configurations that are complete, and the tokenizer."""

import inspect
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
from transformers import CLIPTokenizer

from bundles.records import (
    INDEX,
    pipeline_kind,
    read_json,
    text_encoders,
    tokenizer_of,
    write_json,
)
from core.errors import BundleError

Config = dict[str, Any]
"""JSON values by name."""

SCHEDULER_FILE = "scheduler_config.json"

USED_DEFAULTS = "_use_default_values"
"""diffusers' own note of the values that no file named: another class does not take these over."""

CORRECTED: Mapping[str, Any] = {"steps_offset": 1, "clip_sample": False}
"""What the constructors of Stable Diffusion's pipelines set in old schedulers' configurations."""

UNCORRECTED = (
    "LatentConsistencyModelPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
)
"""Pipelines whose constructors take a scheduler as it is."""


POOLED = "text_embeds"
"""What Stable Diffusion XL's second text encoder makes of a whole text; the UNet's input for it."""

SIZE_IDS = "time_ids"
"""That UNet's input for the size of an image, and of what it was cropped from."""


CLIP_SKIP = "clip_skip"
"""In the configuration of Stable Diffusion XL's text encoders: layers left out before those states
that are taken. diffusers knows it as an argument only."""


def taken_states(encoder: Mapping[str, Any]) -> int:
    """Return after how many layers of a text encoder of Stable Diffusion XL its states are taken.

    Args:
        encoder: The encoder's configuration.
    """
    return int(encoder["num_hidden_layers"]) - 1 - int(encoder.get(CLIP_SKIP) or 0)


def penultimate_port(encoder: Mapping[str, Any]) -> str:
    """Name a text encoder's output for the states before its last layer, or earlier ones.

    As `optimum.intel` names it: by the number of layers that were run.

    Args:
        encoder: The encoder's configuration.
    """
    return f"hidden_states.{taken_states(encoder)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The configuration of the parts that a worker computes with, complete."""

    unet: Config
    vae: Config
    """The autoencoder that decodes."""
    scheduler: Config
    encoder: Config
    """The autoencoder that encodes images: another one where only the decoder was exchanged."""
    text_encoders: tuple[Config, ...] = ()
    """In their order: one, or the two of Stable Diffusion XL."""
    zeroes_empty_negative: bool = False
    """Whether no negative prompt is zeros to the UNet, and not the empty text."""

    @property
    def upcasts_decoder(self) -> bool:
        """Return whether halves have no room for what the decoder computes.

        `force_upcast` is every autoencoder's default, but only pipelines of Stable Diffusion XL
        look at it.
        """
        return len(self.text_encoders) > 1 and bool(self.vae.get("force_upcast"))


def load_layout(folder: Path) -> Layout:
    """Read a bundle's configuration.

    Raises:
        BundleError: A file is missing or damaged, or an earlier version of packshot has copied it
            from the source as it was, without what the source's classes complete and correct.
    """
    vae = _load(folder, "vae_decoder/config.json")
    encodes = (folder / "vae_encoder" / "config.json").is_file()
    index = _load(folder, INDEX)
    encoders = text_encoders(index)
    layout = Layout(
        unet=_load(folder, "unet/config.json"),
        vae=vae,
        encoder=_load(folder, "vae_encoder/config.json") if encodes else vae,
        scheduler=_load(folder, f"scheduler/{SCHEDULER_FILE}"),
        text_encoders=tuple(_load(folder, f"{name}/config.json") for name in encoders),
        # Where a file does not say so, the pipeline's constructor does.
        zeroes_empty_negative=len(encoders) > 1
        and bool(index.get("force_zeros_for_empty_prompt", True)),
    )
    missing = [f"the UNet's {name}" for name in ("in_channels",) if name not in layout.unet]
    missing += [
        f"the autoencoder's {name}"
        for name in ("block_out_channels", "scaling_factor", "latent_channels")
        if name not in layout.vae
    ]
    if pipeline_kind(index) not in UNCORRECTED:
        missing += [f"the scheduler's {name}" for name in _uncorrected(layout.scheduler)]
    if missing:
        raise BundleError(
            f"The model bundle at {folder} was built by an earlier version of packshot, which did "
            f"not know {' and '.join(missing)} as diffusers does, so that its images would be "
            "wrong. Build it again: `packshot model build SOURCE`."
        )
    return layout


def save_scheduler(config: Config, bundle: Path) -> None:
    """Write a scheduler's configuration into a bundle."""
    folder = bundle / "scheduler"
    folder.mkdir(exist_ok=True)
    write_json(config, folder / SCHEDULER_FILE)


def _uncorrected(scheduler: Config) -> list[str]:
    """List the values that a pipeline's constructor would change."""
    kind = getattr(diffusers, str(scheduler.get("_class_name")), None)
    known = {} if kind is None else inspect.signature(kind.__init__).parameters
    return [
        name
        for name, right in CORRECTED.items()
        if scheduler.get(name, known[name].default if name in known else right) != right
    ]


def _load(folder: Path, name: str) -> Config:
    try:
        loaded: Config = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The model bundle at {folder} has no readable {name} ({error}). "
            "Build it again: `packshot model build SOURCE`."
        ) from error
    return loaded


FEWEST = 3
"""The start and end tokens, and one between."""


def load_tokenizer(model: Path, encoder: str = "text_encoder") -> CLIPTokenizer:
    """Load a text encoder's tokenizer; its `model_max_length` is what the encoder can read.

    A tokenizer that names no length would give texts of any; one that names more tokens than the
    text encoder has positions gives texts that this cannot read.

    Args:
        model: The folder of a source or a bundle.
        encoder: The text encoder's folder there.

    Raises:
        BundleError: The tokenizer or the text encoder's configuration cannot be read, or the
            length has no room for a text.
    """
    folder = model / tokenizer_of(encoder)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The tokenizer in {folder} cannot be read ({error}). Give a complete Stable "
            "Diffusion model, or build the bundle again: `packshot model build SOURCE`."
        ) from error
    config = read_json(model / encoder / "config.json")
    positions = int(config.get("max_position_embeddings") or 77)
    # Without a length transformers has 10^30, which is no index of anything.
    length = int(min(tokenizer.model_max_length or positions, positions))
    if length < FEWEST:
        raise BundleError(
            f"The tokenizer in {folder} and its text encoder read {length} tokens, which is less "
            f"than the {FEWEST} of a word. Correct model_max_length in its tokenizer_config.json."
        )
    tokenizer.model_max_length = length
    return tokenizer


def save_tokenizers(model: Path, bundle: Path) -> None:
    """Copy the tokenizers of a model's text encoders into a bundle; see `save_tokenizer`."""
    for encoder in text_encoders(read_json(model / INDEX)):
        save_tokenizer(model, bundle / tokenizer_of(encoder), encoder)


def save_tokenizer(model: Path, target: Path, encoder: str = "text_encoder") -> None:
    """Copy a text encoder's tokenizer, with a tokenizer.json and the length that it reads.

    A process without transformers can read these. The older files come along for readers that
    look for them.

    Args:
        model: The folder of a source.
        target: The bundle's tokenizer folder.
        encoder: The text encoder's folder in the source.

    Raises:
        BundleError: The tokenizer cannot be used.
    """
    tokenizer = load_tokenizer(model, encoder)
    target.mkdir(parents=True, exist_ok=True)
    for file in (model / tokenizer_of(encoder)).iterdir():
        if file.suffix in (".json", ".txt") and file.is_file():
            shutil.copyfile(file, target / file.name)
    # A tokenizer.json of theirs may lack tokens that the files beside it have.
    tokenizer.save_pretrained(target)
