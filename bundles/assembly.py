"""Makes the parts of a bundle, one after another, each only once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import openvino as ov

from bundles.architecture import INDEX, read_json, write_json
from bundles.conversion import MODEL_FILE, save
from bundles.features.graphs import name_outputs
from bundles.features.points import wanted_features
from bundles.manifest import Quantisation
from bundles.order import Order
from bundles.parts import convert_text_encoder, convert_vae_decoder, convert_vae_encoder
from bundles.progress import Progress
from bundles.tokenizer import save_tokenizer
from bundles.unet import convert_unet
from bundles.workshop import Workshop

QUANTISATION = "quantisation.json"


def make_parts(order: Order, workshop: Workshop, say: Progress) -> Quantisation | None:
    """Make the parts that are not finished yet.

    Args:
        order: What to build.
        workshop: Where.
        say: Hears how far it is.

    Returns:
        How the UNet was quantised, if it was.

    Raises:
        BundleError: A part cannot be converted or quantised.
    """
    # The UNet takes longest and comes last: what stops the others is known before it begins.
    parts: dict[str, tuple[str, Callable[[Path], ov.Model]]] = {
        "text_encoder": ("text_encoder", convert_text_encoder),
        "vae_decoder": ("vae", convert_vae_decoder),
        "vae_encoder": ("vae", convert_vae_encoder),
        "unet": ("unet", lambda folder: _convert_unet(folder, order)),
    }
    say.stage("convert the models", len(parts))
    for part, (origin, convert) in parts.items():
        if workshop.has(part):
            say.advance()
        else:
            with workshop.part(part) as aside:
                model = convert(order.source / origin)
                say.advance()
                if part == "unet" and order.precision == "int8":
                    model = _quantise(model, order, workshop, say)
                save(model, aside / MODEL_FILE, halves=order.precision != "fp32")
                write_json(read_json(order.source / origin / "config.json"), aside / "config.json")
    save_tokenizer(order.source / "tokenizer", workshop.bundle / "tokenizer")
    shutil.copytree(order.source / "scheduler", workshop.bundle / "scheduler", dirs_exist_ok=True)
    _save_index(order.source / INDEX, workshop.bundle / INDEX)
    return order.record.quantisation if order.record else _recall(workshop)


def _convert_unet(folder: Path, order: Order) -> ov.Model:
    features = wanted_features(order.caching) if order.caching else None
    if order.unet is None:
        return convert_unet(folder, order.plan, features)
    from bundles.training.trained import trained_unet  # noqa: PLC0415 - NNCF takes seconds

    return trained_unet(order.unet, features)


def _quantise(model: ov.Model, order: Order, workshop: Workshop, say: Progress) -> ov.Model:
    from bundles.quantise import quantise_unet  # noqa: PLC0415 - NNCF takes seconds

    quantised, how = quantise_unet(
        model, order.source, workdir=workshop.scratch / "quantise", say=say
    )
    _note(how, workshop)
    return name_outputs(quantised, [port.get_any_name() for port in model.outputs])


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
