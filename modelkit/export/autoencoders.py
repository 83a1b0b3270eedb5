"""Another autoencoder in place of a source's: of the same kind, or a tiny one (TAESD)."""

import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file

from bundles.records import INDEX, read_json, write_json
from core.errors import BundleError
from modelkit.export.configuration import (
    TINY_DECODER,
    autoencoder_class,
    read_vae,
    scale_factor,
)
from modelkit.export.single_file import load_autoencoder, save_part
from modelkit.export.weights import Tensors, find_weights, read_tensors

_ENCODER, _DECODER = "encoder.layers.", "decoder.layers."
"""How diffusers calls the layers of a tiny autoencoder."""

_ORIGINAL = re.compile(r"(\d+)(\..+)")
"""A layer of `taesd_decoder.safetensors`: its first one has no weights, and diffusers leaves it
out."""


def exchange_autoencoder(vae: Path, folder: Path) -> None:
    """Put another autoencoder into a prepared source.

    A tiny one without an encoder comes beside the source's own, which then only encodes.

    Args:
        vae: A folder in diffusers' layout, or a safetensors file.
        folder: The prepared source, whose parts are links.

    Raises:
        BundleError: It is none, or was made for other latents than the source's UNet draws.
    """
    if vae.is_dir():
        inside = _inside(vae)
        _check_latents(read_vae(inside), folder, vae)
        _place_folder(inside, folder)
        return
    tensors = read_tensors(vae)
    if not is_tiny(tensors):
        autoencoder = load_autoencoder(vae, folder)
        _check_latents(autoencoder.config, folder, vae)
        _place(autoencoder, folder / "vae")
        return
    tiny = _read_tiny(vae, tensors)
    _check_latents(tiny.config, folder, vae)
    if only_decodes(vae):
        _place(tiny, folder / TINY_DECODER)
        return
    _place(tiny, folder / "vae")
    _name_class(AutoencoderTiny, folder)


def is_tiny(tensors: Tensors) -> bool:
    """Check whether a file holds a tiny autoencoder, or its decoder, by the names of its layers."""
    return any(name.startswith(_DECODER) for name in tensors) or all(
        _ORIGINAL.fullmatch(name) for name in tensors
    )


def only_decodes(vae: Path) -> bool:
    """Check whether a tiny autoencoder, a file or a folder, comes without an encoder."""
    if vae.is_file():
        tensors = read_tensors(vae)
        return is_tiny(tensors) and not any(name.startswith(_ENCODER) for name in tensors)
    inside = _inside(vae)
    if autoencoder_class(inside) is not AutoencoderTiny:
        return False
    files = find_weights(inside).files
    return not any(name.startswith(_ENCODER) for file in files for name in read_tensors(file))


def _inside(vae: Path) -> Path:
    return vae / "vae" if (vae / "vae").is_dir() else vae


def _place_folder(inside: Path, folder: Path) -> None:
    kind = autoencoder_class(inside)
    if only_decodes(inside):
        (folder / TINY_DECODER).symlink_to(inside.resolve())
        return
    clear(folder / "vae")
    (folder / "vae").symlink_to(inside.resolve())
    _name_class(kind, folder)


def _place(autoencoder: Any, part: Path) -> None:
    clear(part)
    save_part(autoencoder, part, halves=False)


def clear(part: Path) -> None:
    """Remove a part's link; of a single file's source there is its configuration alone."""
    if part.is_symlink():
        part.unlink()


def _name_class(kind: Any, folder: Path) -> None:
    """Write into the source's index what its autoencoder is, so that diffusers reads it."""
    index = read_json(folder / INDEX) | {"vae": ["diffusers", kind.__name__]}
    clear(folder / INDEX)
    write_json(index, folder / INDEX)


def _read_tiny(file: Path, tensors: Tensors) -> Any:
    """Read a tiny autoencoder of TAESD's usual size; without its encoder that part is random."""
    values = load_file(file)
    if not any(name.startswith(_DECODER) for name in tensors):
        values = {_renamed(name): value for name, value in values.items()}
    first = values.get(f"{_DECODER}0.weight", torch.empty(0, 4))
    tiny = AutoencoderTiny(latent_channels=first.shape[1])
    known = set(tiny.state_dict())
    whole = any(name.startswith(_ENCODER) for name in values)
    wanted = {name for name in known if whole or name.startswith(_DECODER)}
    try:
        if wanted != set(values):
            raise KeyError(min(wanted ^ set(values)))
        tiny.load_state_dict(values, strict=False)
    except (KeyError, RuntimeError) as error:
        raise BundleError(
            f"{file} is no tiny autoencoder of TAESD's usual size ({type(error).__name__}): give "
            "the folder that diffusers' AutoencoderTiny.save_pretrained writes."
        ) from error
    return tiny


def _renamed(name: str) -> str:
    return _ORIGINAL.sub(lambda found: f"{_DECODER}{int(found[1]) - 1}{found[2]}", name)


def _check_latents(config: Any, folder: Path, vae: Path) -> None:
    channels = int(read_json(folder / "unet" / "config.json").get("out_channels", 4))
    if config["latent_channels"] != channels:
        raise BundleError(
            f"The autoencoder {vae.name} is for latents of {config['latent_channels']} channels, "
            f"and this model's UNet draws {channels}: give one that was made for this model's "
            "family, such as TAESD for Stable Diffusion 1.x and 2.x."
        )
    own = read_vae(folder / "vae")
    if scale_factor(config) != scale_factor(own):
        raise BundleError(
            f"The autoencoder {vae.name} makes {scale_factor(config)} pixels along each side of a "
            f"latent, and this model's own {scale_factor(own)}: give one for this model's family."
        )
