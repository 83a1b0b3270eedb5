"""Turns a Stable Diffusion model into a bundle: OpenVINO models beside a manifest."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import openvino as ov

from bundles.adoption import adopt, is_converted
from bundles.architecture import INDEX, check_parts, read_json, write_json
from bundles.conversion import MODEL_FILE, save
from bundles.description import Size, describe, resized, scale_factor
from bundles.estimate import require_resources
from bundles.manifest import FORMAT, Manifest, Quantisation, TokenMergingPlan, save_manifest
from bundles.parts import convert_text_encoder, convert_vae_decoder, convert_vae_encoder
from bundles.progress import Progress, Silent
from bundles.source import content_hash, locate, read_profile
from bundles.tokenizer import save_tokenizer
from bundles.unet import check_plan, convert_unet
from bundles.workshop import Workshop
from core.errors import BundleError

Precision = Literal["fp32", "fp16", "bf16", "int8", "int8-qat"]
"""How the UNet is stored and computed.

- fp32: stored and computed in FP32.
- fp16: stored in half the size; computed in what the CPU does best.
- bf16: stored as fp16; computed in BF16 where the CPU has it.
- int8: quantised after training, calibrated on the model's own denoising.
- int8-qat: quantised by a training (`packshot model quantise-train`).
"""

CONVERSION = 2
"""Grows whenever the same source becomes other models, so that their revisions differ."""

QUANTISATION = "quantisation.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Order:
    """What is to be built."""

    source: Path
    precision: Precision
    plan: TokenMergingPlan | None
    unet: Path | None
    say: Progress


def build(
    source: Path | str,
    target: Path,
    *,
    name: str | None = None,
    replace: bool = True,
    precision: Precision | None = None,
    token_merging: TokenMergingPlan | None = None,
    size: Size | None = None,
    unet: Path | None = None,
    say: Progress | None = None,
) -> Manifest:
    """Make a bundle from a diffusers folder or Hub id of a Stable Diffusion model.

    Batch, height and width stay open in every part, and the UNet takes one timestep per row. A
    folder in the Hub's OpenVINO layout is taken as it is. A safety checker does not come along:
    no part of packshot would ask it.

    Everything is made in a hidden folder beside `target` and renamed at the end, so `target` is
    never half a bundle. When the work is interrupted, what is finished waits there for the next
    call with the same source and options.

    Args:
        source: A local folder with model_index.json, or a Hub id.
        target: The bundle's folder.
        name: The bundle's name; the source's own by default, else made from its path.
        replace: Whether an existing target may be replaced.
        precision: How the UNet is stored and computed; fp16 by default. For a folder in the
            OpenVINO layout it is decided already.
        token_merging: Which tokens of the UNet are merged; None or ratios of 0: none.
        size: Width and height, in pixels, that requests get which name none; the source's by
            default. Workers compile and tune for this size first. The model does the others still.
        unet: For int8-qat: the folder that the training wrote.
        say: Hears how far it is.

    Raises:
        BundleError: The source is no such model, is not complete, or cannot do the size; the
            target exists; memory or disk are too small.
    """
    if target.exists() and not replace:
        raise BundleError(f"{target} exists: choose another folder, or allow replacing it")
    say = say or Silent()
    folder = locate(source, say)
    if is_converted(folder):
        if precision or token_merging or unet:
            raise BundleError(
                f"{folder.name} is converted already, so its precision and token merging are "
                "decided: leave these options out, or give the original model"
            )
        return adopt(folder, target, source=str(source), name=name, size=size, say=say)
    plan = token_merging if token_merging and any(token_merging.ratios) else None
    order = _Order(source=folder, precision=precision or "fp16", plan=plan, unet=unet, say=say)
    _check(order, target, size)
    revision = content_hash(folder, _options(order), say=say)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Workshop(target, revision) as workshop:
        quantisation = _make_parts(order, workshop)
        manifest = describe(
            folder,
            source=str(source),
            name=name,
            revision=revision,
            precision="int8" if order.precision == "int8-qat" else order.precision,
            size=size,
            autoencoder=read_json(folder / "vae" / "config.json"),
            token_merging=plan,
            quantisation=quantisation,
        )
        save_manifest(manifest, workshop.bundle)
        workshop.finish()
    return manifest


def _check(order: _Order, target: Path, size: Size | None) -> None:
    """Find out before anything is made whether it can be made."""
    weights = check_parts(order.source)
    profile = read_profile(order.source)
    resized(profile, size)
    if order.plan is not None:
        pixels = scale_factor(read_json(order.source / "vae" / "config.json"))
        check_plan(order.source / "unet", order.plan, smallest=profile.sizes.min // pixels)
    if (order.precision == "int8-qat") != (order.unet is not None):
        raise BundleError(
            "int8-qat and the folder of a trained UNet belong together: make that folder with "
            "`packshot model quantise-train`, and give it with --precision int8-qat --unet FOLDER"
        )
    require_resources(weights, target, precision=order.precision)


def _options(order: _Order) -> dict[str, Any]:
    """Give whatever decides the models besides their source, for the bundle's revision."""
    return {
        "format": FORMAT,
        "conversion": CONVERSION,
        "precision": order.precision,
        "token_merging": order.plan.model_dump() if order.plan else None,
        "unet": content_hash(order.unet, {}) if order.unet else None,
    }


def _make_parts(order: _Order, workshop: Workshop) -> Quantisation | None:
    """Make the parts that are not finished yet; tell how the UNet was quantised."""
    # The UNet takes longest and comes last: what stops the others is known before it begins.
    parts: dict[str, tuple[str, Callable[[Path], ov.Model]]] = {
        "text_encoder": ("text_encoder", convert_text_encoder),
        "vae_decoder": ("vae", convert_vae_decoder),
        "vae_encoder": ("vae", convert_vae_encoder),
        "unet": ("unet", lambda folder: _convert_unet(folder, order)),
    }
    order.say.stage("convert the models", len(parts))
    for part, (origin, convert) in parts.items():
        if workshop.has(part):
            order.say.advance()
        else:
            with workshop.part(part) as aside:
                model = convert(order.source / origin)
                order.say.advance()
                if part == "unet" and order.precision == "int8":
                    model = _quantise(model, order, workshop)
                save(model, aside / MODEL_FILE, halves=order.precision != "fp32")
                write_json(read_json(order.source / origin / "config.json"), aside / "config.json")
    save_tokenizer(order.source / "tokenizer", workshop.bundle / "tokenizer")
    shutil.copytree(order.source / "scheduler", workshop.bundle / "scheduler", dirs_exist_ok=True)
    _save_index(order.source / INDEX, workshop.bundle / INDEX)
    return _recall(workshop)


def _convert_unet(folder: Path, order: _Order) -> ov.Model:
    if order.precision == "int8-qat":
        raise BundleError("int8-qat cannot be built yet: choose int8, or another precision")
    return convert_unet(folder, order.plan)


def _quantise(model: ov.Model, order: _Order, workshop: Workshop) -> ov.Model:
    from bundles.quantise import quantise_unet  # noqa: PLC0415 - NNCF takes seconds to import

    quantised, how = quantise_unet(
        model, order.source, workdir=workshop.scratch / "quantise", say=order.say
    )
    _note(how, workshop)
    return quantised


def _note(quantisation: Quantisation, workshop: Workshop) -> None:
    """Remember how the UNet was quantised, should the work be interrupted after it."""
    path = workshop.scratch / QUANTISATION
    path.write_text(quantisation.model_dump_json(), encoding="utf-8")


def _recall(workshop: Workshop) -> Quantisation | None:
    path = workshop.scratch / QUANTISATION
    return Quantisation.model_validate_json(path.read_bytes()) if path.is_file() else None


def _save_index(source: Path, target: Path) -> None:
    """Write model_index.json without the parts that did not come along."""
    index = read_json(source)
    for part in ("safety_checker", "feature_extractor", "image_encoder"):
        index[part] = [None, None]
    write_json(index | {"requires_safety_checker": False}, target)
