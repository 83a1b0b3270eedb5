"""A model in a single file, in the layout of its original code, becomes a diffusers folder."""

import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError
from torch import Tensor, nn

from bundles.layout import SCHEDULER_FILE
from bundles.records import INDEX, read_json, text_encoders, tokenizer_of, write_json
from core.errors import BundleError, first_line
from modelkit.export.additions import Additions, PredictionType
from modelkit.export.architecture import check_architecture, weighted_parts
from modelkit.export.pipelines import inpaints, left_out, text_to_image
from modelkit.export.resources import require_disk, require_memory
from modelkit.export.weights import Tensors, bytes_of, floats, read_tensors
from modelkit.families.depths import fitted_depths
from modelkit.families.recognition import FIRST_LAYER, VAE, Family, Shapes, recognise
from modelkit.families.vocabulary import save_clip_tokenizer
from modelkit.progress import Progress

VELOCITY_KEY, ZERO_SNR_KEY = "v_pred", "ztsnr"
"""Empty tensors by which files say that their UNet predicts velocity, and that no signal is left
at the first step."""

_NO_SIGNAL, _SIDE = 999, 32
"""The timestep of nothing but noise, and its latents along each side, to measure with."""


def recognise_file(file: Path) -> Family:
    """Return the family of a single file.

    Raises:
        BundleError: It is damaged, or none that bundles are made of; see `recognise`.
    """
    return recognise(_shapes(read_tensors(file)), file)


def convert_single_file(
    file: Path, additions: Additions, target: Path, say: Progress, *, own_vae: bool
) -> None:
    """Write a single file's model in diffusers' layout.

    diffusers' own `from_single_file` reads it, with the configuration of its family that comes with
    packshot, or with another one.

    Args:
        file: A safetensors file of Stable Diffusion 1.x, 2.x or XL in its original layout.
        additions: Its configuration and its autoencoder, where they are not the file's.
        target: An empty folder.
        say: Hears how far it is.
        own_vae: Whether its autoencoder is used, and none that the additions name in its place.

    Raises:
        BundleError: It is no such file, not whole, or does not fit its configuration; or memory or
            disk are too small.
    """
    tensors = read_tensors(file)
    family = recognise_file(file)
    if own_vae and not any(name.startswith(VAE) for name in tensors):
        raise BundleError(
            f"{file} has no autoencoder ({VAE}…): give one beside it with --vae, such as "
            "vae-ft-mse-840000-ema-pruned.safetensors."
        )
    size = bytes_of(tensors)
    require_disk(target, size, f"read {file.name}")
    # Twice: as the file has it, and in single precision.
    require_memory(3 * size, f"read {file.name}")
    say.stage(f"read {file.name}", None)
    copy_configuration(family, additions.config, target)
    if additions.config is None:
        _fit_configuration(_shapes(tensors), target)
    pipeline = _load(file, target, others=() if own_vae else ("vae",))
    _settle_prediction(pipeline, family, additions.config, _prediction(additions, tensors), target)
    if ZERO_SNR_KEY in tensors and additions.config is None:
        _change_scheduler(target, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    for part in weighted_parts(target):
        module = getattr(pipeline, part, None)
        if module is not None:
            save_part(module, target / part, halves=_halves(tensors))


def _prediction(additions: Additions, tensors: Mapping[str, Any]) -> PredictionType | None:
    """Return what the caller says that the model predicts, or else the file; None: neither does."""
    if additions.prediction_type is not None or additions.config is not None:
        return additions.prediction_type
    return "v_prediction" if VELOCITY_KEY in tensors else None


def copy_configuration(family: Family, other: Path | None, target: Path) -> None:
    """Write what a family's parts are, or what another model's folder says.

    Raises:
        BundleError: The other folder is no such model.
    """
    origin = other or family.folder
    if other is not None:
        check_architecture(other)
    for path in sorted(origin.rglob("*")):
        if path.suffix in (".json", ".txt") and path.is_file():
            copy = target / path.relative_to(origin)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    if other is None:
        encoders = text_encoders(read_json(target / INDEX))
        for encoder, pad in zip(encoders, family.pads, strict=True):
            save_clip_tokenizer(target / tokenizer_of(encoder), pad=pad)


def _fit_configuration(shapes: Shapes, folder: Path) -> None:
    """Change a family's configuration to what the shapes of a file's tensors say."""
    path = folder / "unet" / "config.json"
    config = fitted_depths(read_json(path), shapes) | {"in_channels": shapes[FIRST_LAYER][1]}
    write_json(config, path)
    if inpaints(config):
        index = read_json(folder / INDEX)
        write_json(index | {"_class_name": text_to_image(index, config)}, folder / INDEX)


def load_autoencoder(file: Path, config: Path) -> AutoencoderKL:
    """Read an autoencoder from a single file, in its original layout or in diffusers'.

    Args:
        file: The weights.
        config: A folder in diffusers' layout, whose autoencoder it is one of.

    Raises:
        BundleError: It is damaged, or no such autoencoder.
    """
    read_tensors(file)
    with (
        _reading(file, "is no autoencoder of this model", "give one of Stable Diffusion's"),
        _quiet(),
    ):
        vae = AutoencoderKL.from_single_file(
            str(file),
            config=str(config),
            subfolder="vae",
            torch_dtype=torch.float32,
            local_files_only=True,
        )
    _check_whole(vae, file)
    return vae


def save_part(part: Any, folder: Path, *, halves: bool) -> None:
    """Write a part's configuration and weights.

    Args:
        part: A model of diffusers or transformers.
        folder: Its folder; what is there is replaced.
        halves: Whether its weights are stored in FP16, as they came.
    """
    # diffusers' own `half` warns of casting.
    (nn.Module.half(part) if halves else part).save_pretrained(folder)


@contextmanager
def _reading(file: Path, misfit: str, remedy: str) -> Iterator[None]:
    """Turn what diffusers raises while it reads a file into a sentence.

    Raises:
        BundleError: Something was raised.
    """
    try:
        yield
    except NotImplementedError as error:
        # What was not read has no values that could be converted.
        raise BundleError(_incomplete(file, "weights are missing")) from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BundleError(f"{file} {misfit} ({first_line(error)}): {remedy}.") from error


def _load(file: Path, config: Path, *, others: tuple[str, ...]) -> Any:
    """Read all parts but those that come from elsewhere."""
    index = read_json(config / INDEX)
    with (
        _reading(
            file,
            "does not fit its configuration",
            "give the folder of a model like it with --config",
        ),
        _quiet(),
    ):
        kind = text_to_image(index, read_json(config / "unet" / "config.json"))
        pipeline = getattr(diffusers, kind).from_single_file(
            str(file),
            config=str(config),
            torch_dtype=torch.float32,
            local_files_only=True,
            **left_out(index),
            **dict.fromkeys(others),
        )
    for part in weighted_parts(config):
        if part not in others:
            _check_whole(getattr(pipeline, part), file)
    return pipeline


def _check_whole(part: nn.Module, file: Path) -> None:
    """Check that every weight was in the file: others would be random, or none."""
    for name, value in part.named_parameters():
        if value.is_meta:
            raise BundleError(_incomplete(file, f"it has no {name} of {type(part).__name__}"))


def _incomplete(file: Path, reason: str) -> str:
    return (
        f"{file} is not whole: {reason}. Download or copy it again, or give the folder of a model "
        "like it with --config."
    )


def _settle_prediction(
    pipeline: Any,
    family: Family,
    config: Path | None,
    said: PredictionType | None,
    target: Path,
) -> None:
    """Write what the UNet predicts, and with it the size of families that have both kinds.

    Their files do not tell them: it is measured.
    """
    if said is None and config is None and family.latents:
        said = measure_prediction(pipeline.unet)
    if said is not None:
        _change_scheduler(target, prediction_type=said)
        if config is None and family.latents:
            pipeline.unet.register_to_config(sample_size=family.latents[said])


@torch.no_grad()
def measure_prediction(unet: Any) -> PredictionType:
    """Return what a UNet predicts, by one call of it.

    Of nothing but noise, one that predicts noise predicts its input; velocity is the image's
    opposite there. One that inpaints sees a mask of all, and nothing that is kept.
    """
    config = unet.config
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, config.out_channels, _SIDE, _SIDE), generator=generator)
    seen = [noise]
    if inpaints(config):
        seen += [torch.ones_like(noise[:, :1]), torch.zeros_like(noise)]
    text = torch.zeros(1, 77, config.cross_attention_dim)
    predicted: Tensor = unet(torch.cat(seen, dim=1), torch.tensor([_NO_SIGNAL]), text).sample
    both = torch.stack([noise.flatten(), predicted.flatten()])
    return "epsilon" if float(torch.corrcoef(both)[0, 1]) > 0.5 else "v_prediction"


def _change_scheduler(folder: Path, **changes: Any) -> None:
    path = folder / "scheduler" / SCHEDULER_FILE
    write_json(read_json(path) | changes, path)


def _shapes(tensors: Tensors) -> Shapes:
    return {name: one.shape for name, one in tensors.items()}


def _halves(tensors: Tensors) -> bool:
    """Check whether a file's weights are in half precision."""
    return {one.dtype for one in floats(tensors)} == {"F16"}


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the libraries remark on files of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
