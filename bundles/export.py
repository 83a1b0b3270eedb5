"""Turns a diffusers folder into a model bundle: OpenVINO models beside a manifest."""

import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import openvino as ov
from optimum.intel import OVStableDiffusionPipeline
from transformers import CLIPTokenizer

from bundles.manifest import FORMAT, Manifest, save_manifest
from bundles.source import content_hash, locate, read_profile
from core.errors import BundleError

MODELS = ("text_encoder", "unet", "vae_decoder", "vae_encoder")
"""The parts of a bundle that are OpenVINO models, each a folder with openvino_model.xml."""


def build(
    source: Path | str, target: Path, *, name: str | None = None, replace: bool = True
) -> Manifest:
    """Make a bundle from a diffusers folder or Hub id of a Stable Diffusion model.

    Everything is written beside `target` and renamed at the end, so `target` is never half a
    bundle. Weights are FP16; batch, height and width stay open, and the UNet takes one timestep
    per row.

    Args:
        source: A local folder with model_index.json, or a Hub id.
        target: The bundle's folder.
        name: The bundle's name; the source's own by default, else made from its path.
        replace: Whether an existing target may be replaced.

    Raises:
        BundleError: The source is no such model, or the target exists.
    """
    if target.exists() and not replace:
        raise BundleError(f"{target} exists: choose another folder, or allow replacing it")
    folder = locate(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    # mkdtemp's 0700 would keep a worker that runs as another user out.
    aside.chmod(0o755)
    try:
        _export(folder, aside)
        manifest = _describe(folder, str(source), name)
        save_manifest(manifest, aside)
        _swap(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _export(folder: Path, aside: Path) -> None:
    try:
        with warnings.catch_warnings():
            # Tracing warns of each branch in the models' code; none depends on the data here.
            warnings.simplefilter("ignore")
            pipeline = OVStableDiffusionPipeline.from_pretrained(
                folder, export=True, compile=False, load_in_8bit=False
            )
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{folder} cannot be exported ({error}): give a complete Stable Diffusion model"
        ) from error
    pipeline.save_pretrained(aside)
    if isinstance(pipeline.model_save_dir, tempfile.TemporaryDirectory):
        pipeline.model_save_dir.cleanup()
    for part in MODELS:
        path = aside / part / "openvino_model.xml"
        if path.is_file():
            _finish(path, one_timestep_per_row=part == "unet")
    _save_tokenizer(folder / "tokenizer", aside / "tokenizer")


def _finish(path: Path, *, one_timestep_per_row: bool) -> None:
    """Open the timestep's shape and store the weights in FP16, in place."""
    model = ov.Core().read_model(path)
    if one_timestep_per_row:
        model.reshape(
            {
                port: [-1] if "timestep" in port.get_names() else port.get_partial_shape()
                for port in model.inputs
            }
        )
    fresh = path.with_name("fresh.xml")
    ov.save_model(model, fresh, compress_to_fp16=True)
    # The weights are mapped into memory while the model lives.
    del model
    os.replace(fresh.with_suffix(".bin"), path.with_suffix(".bin"))
    os.replace(fresh, path)


def _save_tokenizer(source: Path, target: Path) -> None:
    """Make sure of tokenizer.json, which a process without transformers can read.

    The older files come along for readers that look for them.
    """
    if not (target / "tokenizer.json").is_file():
        CLIPTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(target)
    for name in ("vocab.json", "merges.txt"):
        if (source / name).is_file() and not (target / name).exists():
            shutil.copyfile(source / name, target / name)


def _describe(folder: Path, source: str, name: str | None) -> Manifest:
    profile = read_profile(folder)
    scheduler = _config(folder / "scheduler" / "scheduler_config.json")
    autoencoder = _config(folder / "vae" / "config.json")
    options = {"format": FORMAT, "precision": "fp16"}
    plain = name or profile.name or Path(source).name.lower()
    return Manifest(
        name=plain,
        revision=content_hash(folder, options),
        # A folder's path says nothing on another machine, and may say too much.
        source=folder.name if Path(source).is_dir() else source,
        precision="fp16",
        licence=profile.licence or "unknown",
        defaults=profile.defaults,
        sizes=profile.sizes,
        latent_channels=autoencoder.get("latent_channels", 4),
        vae_scale_factor=2 ** (len(autoencoder["block_out_channels"]) - 1),
        prediction_type=scheduler.get("prediction_type", "epsilon"),
        max_tokens=_config(folder / "text_encoder" / "config.json").get(
            "max_position_embeddings", 77
        ),
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path} cannot be read ({error}): give a complete diffusers folder"
        ) from error
    return content


def _swap(aside: Path, target: Path) -> None:
    """Put the new folder in the old one's place; a reader sees one of them or none, never a mix."""
    if not target.exists():
        os.replace(aside, target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    os.replace(target, old / target.name)
    os.replace(aside, target)
    shutil.rmtree(old, ignore_errors=True)
