"""Makes the parts of a bundle, one after another, each only once."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import openvino as ov

from bundles.graphs import name_outputs
from bundles.layout import save_scheduler, save_tokenizers
from bundles.manifest import Quantisation
from bundles.records import INDEX, SECOND_ENCODER, read_json, write_json
from bundles.workshop import Workshop
from modelkit.export.configuration import decoder_folder, read_configuration, read_vae
from modelkit.export.conversion import (
    MODEL_FILE,
    convert_text_encoder,
    convert_vae_decoder,
    convert_vae_encoder,
    convert_xl_text_encoder,
    save,
)
from modelkit.export.order import BuildOrder
from modelkit.export.unet import convert_unet, wanted_features
from modelkit.progress import Progress

Quantised = dict[str, Quantisation]
"""How parts became INT8, by their names."""

Quantise = Callable[[ov.Model, BuildOrder, Workshop, Progress], tuple[ov.Model, Quantisation]]
"""Quantises a part of what is to be built."""


def make_parts(order: BuildOrder, workshop: Workshop, say: Progress) -> Quantised:
    """Make the parts that are not finished yet.

    Args:
        order: What to build.
        workshop: Where.
        say: Hears how far it is.

    Returns:
        How the UNet and the decoder were quantised, where they were.

    Raises:
        BundleError: A part cannot be converted or quantised.
    """
    # The UNet takes longest and comes last: what stops the others is known before it begins.
    known, decodes = read_configuration(order.source), decoder_folder(order.source)
    parts: dict[str, tuple[str, Callable[[Path], ov.Model]]] = {
        **{name: (name, convert) for name, convert in _text_encoders(known.encoders).items()},
        "vae_decoder": (decodes.name, convert_vae_decoder),
        "vae_encoder": ("vae", convert_vae_encoder),
        "unet": ("unet", lambda folder: _convert_unet(folder, order)),
    }
    quantisers: dict[str, Quantise] = {}
    if order.precision == "int8":
        quantisers["unet"] = _quantise_unet
    if order.vae == "int8":
        # The UNet draws what it is calibrated on.
        parts["vae_decoder"] = parts.pop("vae_decoder")
        quantisers["vae_decoder"] = _quantise_decoder
    configs = {
        **known.encoders,
        "vae": read_vae(order.source / "vae"),
        decodes.name: known.vae,
        "unet": known.unet,
    }
    say.stage("convert the models", len(parts))
    for part, (origin, convert) in parts.items():
        if workshop.has(part):
            say.advance()
        else:
            with workshop.part(part) as aside:
                model = convert(order.source / origin)
                say.advance()
                if part in quantisers:
                    model = _quantise(part, model, quantisers[part], order, workshop, say)
                save(model, aside / MODEL_FILE, halves=order.precision != "fp32")
                write_json(configs[origin], aside / "config.json")
    save_tokenizers(order.source, workshop.bundle)
    save_scheduler(known.scheduler, workshop.bundle)
    _save_index(order.source / INDEX, workshop.bundle / INDEX)
    quantised = _recall(quantisers, workshop)
    return {"unet": order.record.quantisation, **quantised} if order.record else quantised


def _text_encoders(encoders: Iterable[str]) -> dict[str, Callable[[Path], ov.Model]]:
    """Return how each text encoder is converted."""
    names = list(encoders)
    if SECOND_ENCODER not in names:
        return {names[0]: convert_text_encoder}
    return {
        name: partial(convert_xl_text_encoder, projects=name == SECOND_ENCODER) for name in names
    }


def _convert_unet(folder: Path, order: BuildOrder) -> ov.Model:
    features = wanted_features(order.caching) if order.caching else None
    if order.unet is None:
        return convert_unet(folder, order.plan, features)
    from modelkit.training.quantised import trained_unet  # noqa: PLC0415 - NNCF takes seconds

    return trained_unet(order.unet, features)


def _quantise(
    part: str,
    model: ov.Model,
    quantiser: Quantise,
    order: BuildOrder,
    workshop: Workshop,
    say: Progress,
) -> ov.Model:
    quantised, how = quantiser(model, order, workshop, say)
    _note(part, workshop).write_text(how.model_dump_json(), encoding="utf-8")
    return name_outputs(quantised, [port.get_any_name() for port in model.outputs])


def _quantise_unet(
    model: ov.Model, order: BuildOrder, workshop: Workshop, say: Progress
) -> tuple[ov.Model, Quantisation]:
    from modelkit.quantise import quantise_unet  # noqa: PLC0415 - NNCF takes seconds

    workdir = workshop.scratch / "quantise"
    return quantise_unet(model, order.source, workdir=workdir, say=say, profile=order.profile)


def _quantise_decoder(
    model: ov.Model, order: BuildOrder, workshop: Workshop, say: Progress
) -> tuple[ov.Model, Quantisation]:
    from modelkit.quantise.decoder import quantise_decoder  # noqa: PLC0415 - NNCF takes seconds

    unet = ov.Core().read_model(workshop.bundle / "unet" / MODEL_FILE)
    workdir = workshop.scratch / "quantise"
    return quantise_decoder(
        model, unet, order.source, workdir=workdir, say=say, profile=order.profile
    )


def _note(part: str, workshop: Workshop) -> Path:
    """Return the file that says how a part was quantised, for work that is interrupted after it."""
    return workshop.scratch / f"{part}.json"


def _recall(parts: Iterable[str], workshop: Workshop) -> Quantised:
    return {
        part: Quantisation.model_validate_json(_note(part, workshop).read_bytes()) for part in parts
    }


def _save_index(source: Path, target: Path) -> None:
    """Write model_index.json without the parts that did not come along."""
    index = read_json(source)
    for part in ("safety_checker", "feature_extractor", "image_encoder"):
        index[part] = [None, None]
    write_json(index | {"requires_safety_checker": False}, target)
