"""The configuration of a model's parts, as the libraries' classes complete and correct it.

A file on the Hub names what its maker's version of the library wrote: `vae/config.json` of Stable
Diffusion 1.5 has no `scaling_factor`, because diffusers 0.6 had none. What a part is, is what its
class says after reading the file; and what a pipeline computes with, is what the constructor of its
class makes of old schedulers (`steps_offset` becomes 1, `clip_sample` false) and old UNets.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextConfig

from bundles.layout import SCHEDULER_FILE, USED_DEFAULTS, Config
from bundles.records import INDEX, pipeline_kind, read_json, scheduler_kind, text_encoders
from core.errors import BundleError, first_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """What a model's parts are; every value that their classes know is named."""

    encoders: Mapping[str, Config]
    """Of the text encoders, by their folders: one, or the two of Stable Diffusion XL."""
    unet: Config
    vae: Config
    scheduler: Config
    """Besides, `_use_default_values` lists what the source left to the class."""


def read_configuration(source: Path, *, vae: str = "vae") -> Configuration:
    """Read all parts of a model, without their weights.

    Args:
        source: A folder in diffusers' layout, or in the Hub's OpenVINO layout.
        vae: The autoencoder's folder there.

    Raises:
        BundleError: A configuration is missing or damaged, or its class does not take it.
    """
    unet, scheduler = _read_denoiser(source)
    return Configuration(
        encoders={
            name: read_text_encoder(source / name)
            for name in text_encoders(read_json(source / INDEX))
        },
        unet=unet,
        vae=read_vae(decoder_folder(source) if vae == "vae" else source / vae),
        scheduler=scheduler,
    )


TINY_DECODER = "tiny_decoder"
"""Where a source has a decoder beside its autoencoder, which then only encodes."""


def decoder_folder(source: Path) -> Path:
    """Return the folder of the autoencoder that decodes a source's latents."""
    own = source / TINY_DECODER
    return own if own.is_dir() else source / "vae"


def autoencoder_class(folder: Path) -> Any:
    """Return the class of an autoencoder's folder: `AutoencoderTiny`, or `AutoencoderKL`."""
    name = read_json(folder / "config.json").get("_class_name")
    return AutoencoderTiny if name == AutoencoderTiny.__name__ else AutoencoderKL


_CENTRED = ("latents_mean", "latents_std", "shift_factor")
"""What autoencoders of other families have beside a scaling factor."""


def read_vae(folder: Path) -> Config:
    """Read an autoencoder's folder; see `read_configuration`."""
    config = _plain(_empty(autoencoder_class(folder), folder).config)
    if not config["scaling_factor"]:
        raise BundleError(
            f"{folder / 'config.json'} has scaling_factor {config['scaling_factor']}, by which "
            "latents cannot be divided: take the line out for Stable Diffusion's 0.18215, or ask "
            "the model's maker for the right one."
        )
    centred = [name for name in _CENTRED if config.get(name)]
    if centred:
        raise BundleError(
            f"{folder / 'config.json'} has {' and '.join(centred)}, by which diffusers centres "
            "latents (as in Playground v2.5); packshot does not: give a Stable Diffusion 1.x, 2.x "
            "or XL model, or one built like these."
        )
    return config


def scale_factor(autoencoder: Mapping[str, Any]) -> int:
    """Return the pixels per latent, along each side."""
    return int(2 ** (len(autoencoder["block_out_channels"]) - 1))


def read_unet(source: Path) -> Config:
    """Read a model's UNet; see `read_configuration`."""
    return _read_denoiser(source)[0]


def read_scheduler(source: Path) -> Config:
    """Read a model's scheduler; see `read_configuration`."""
    return _read_denoiser(source)[1]


def read_text_encoder(folder: Path) -> Config:
    """Read a text encoder's folder; see `read_configuration`."""
    path = folder / "config.json"
    read_json(path)
    try:
        config = CLIPTextConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(path, error) from error
    return _plain(config.to_dict())


def _read_denoiser(source: Path) -> tuple[Config, Config]:
    """Read UNet and scheduler, both corrected as their pipeline's constructor does it."""
    index = read_json(source / INDEX)
    unet = _empty(UNet2DConditionModel, source / "unet")
    scheduler = _own_scheduler(source)
    if len(text_encoders(index)) > 1:
        # Constructors of these pipelines take both as they are.
        return _plain(unet.config), _named(scheduler.config, scheduler)
    kind = getattr(diffusers, pipeline_kind(index))
    with warnings.catch_warnings():
        # It says of each correction that the file should be changed.
        warnings.simplefilter("ignore")
        pipeline = kind(
            vae=None, text_encoder=None, tokenizer=None, unet=unet, scheduler=scheduler,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    return _plain(pipeline.unet.config), _named(pipeline.scheduler.config, scheduler)


def _named(corrected: Mapping[str, Any], scheduler: Any) -> Config:
    """Return a scheduler's configuration with its class, and with what its file left to that."""
    config = _plain(corrected)
    config["_class_name"] = type(scheduler).__name__
    # diffusers keeps it as a set: in order, the same source gives the same file.
    config[USED_DEFAULTS] = sorted(corrected.get(USED_DEFAULTS, ()))
    return config


def scheduler_class(source: Path) -> Any:
    """Return the class of the scheduler that a model comes with: its index names it.

    Raises:
        BundleError: diffusers has no such class.
    """
    path = source / "scheduler" / SCHEDULER_FILE
    name = scheduler_kind(read_json(source / INDEX), read_json(path))
    kind = getattr(diffusers, name, None)
    if kind is None or not hasattr(kind, "from_config"):
        raise BundleError(
            f"{path} is of the class {name}, which diffusers {diffusers.__version__} does not "
            "have: save the model with a scheduler of diffusers, such as DDIMScheduler."
        )
    return kind


def _own_scheduler(source: Path) -> Any:
    path = source / "scheduler" / SCHEDULER_FILE
    config = read_json(path)
    kind = scheduler_class(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind.from_config(config)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise _unusable(path, error) from error


def _empty(kind: Any, folder: Path) -> Any:
    """Make a part without weights: its constructor fills in what the file leaves out."""
    path = folder / "config.json"
    config = read_json(path)
    try:
        with torch.device("meta"):
            return kind.from_config(config)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> BundleError:
    return BundleError(
        f"{path} cannot be used ({first_line(error)}): give a complete Stable Diffusion model in "
        "diffusers' layout."
    )


def _plain(config: Mapping[str, Any]) -> Config:
    """Return a configuration as JSON has it, without the notes of a library in memory."""
    kept = {k: v for k, v in config.items() if k not in (USED_DEFAULTS, "_name_or_path")}
    plain: Config = json.loads(json.dumps(kept, default=list))
    return plain
