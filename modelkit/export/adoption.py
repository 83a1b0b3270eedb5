"""A folder in the Hub's OpenVINO layout becomes a bundle.

That layout is what `optimum.intel`'s `OVStableDiffusionPipeline.save_pretrained` writes, and what
repositories of converted models on the Hub hold.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openvino as ov

from bundles.layout import (
    POOLED,
    Config,
    load_layout,
    penultimate_port,
    save_scheduler,
    save_tokenizers,
)
from bundles.manifest import (
    ALIGNMENT_FILE,
    FILE_NAME,
    FORMAT,
    JUDGE,
    Manifest,
    PromptReading,
    variant_folder,
)
from bundles.manifest_file import load_manifest, save_manifest
from bundles.records import INDEX, SECOND_ENCODER, read_json, tokenizer_of, write_json
from bundles.workshop import Workshop
from core.errors import BundleError, last_line
from modelkit.export.architecture import check_tokenizer
from modelkit.export.configuration import Configuration, read_configuration, read_vae
from modelkit.export.conversion import MODEL_FILE
from modelkit.export.defaults import GivenDefaults
from modelkit.export.order import (
    CONVERSION,
    Size,
    Verify,
    describe,
    most_tokens,
    reading_options,
    resized,
)
from modelkit.export.pipelines import inpaints
from modelkit.export.resources import require_disk
from modelkit.export.scheduler_trials import read_working_profile, with_schedulers
from modelkit.export.source import content_hash
from modelkit.progress import Progress

NEEDED = ("unet", "vae_decoder")
"""Beside text encoders."""


OPTIONAL = ("vae_encoder",)

PRECISIONS = {
    "f32": "fp32",
    "f16": "fp16",
    "bf16": "bf16",
    "i8": "int8",
    "u8": "int8",
    "i4": "int4",
    "u4": "int4",
}
"""What a manifest calls OpenVINO's types of weights."""

_PATTERNS = ("*.json", "*.txt", MODEL_FILE, MODEL_FILE.replace(".xml", ".bin"))


def is_converted(folder: Path) -> bool:
    """Check whether a folder holds OpenVINO models instead of PyTorch weights.

    Some hold both: then the PyTorch weights are the model.
    """
    unet = folder / "unet"
    return (unet / MODEL_FILE).is_file() and not any(
        unet.glob("diffusion_pytorch_model*.safetensors")
    )


def adopt(
    folder: Path,
    target: Path,
    *,
    source: str,
    name: str | None,
    size: Size | None,
    say: Progress,
    defaults: GivenDefaults | None = None,
    prompt_reading: PromptReading | None = None,
    verify: Verify | None = None,
) -> Manifest:
    """Make a bundle of a folder in the Hub's OpenVINO layout.

    The models are linked where the file system can, else copied, and stay as they are. What the
    manifest says of limits and defaults is the folder's packshot.json, or what its parts tell. Of a
    folder that is a bundle already the manifest is kept, but for its name and what is given.

    Raises:
        BundleError: A part is missing, cannot be read, or has fixed shapes; or the models must be
            copied and the disk is too small; or `verify` refuses the bundle.
    """
    configuration = read_configuration(folder, vae="vae_decoder")
    # A UNet that inpaints sees an encoded picture in every row.
    encodes = OPTIONAL if inpaints(configuration.unet) else ()
    for part in (*configuration.encoders, *NEEDED, *encodes):
        _read(folder / part / MODEL_FILE)
    _check_text_encoders(folder, configuration)
    precision = _check_unet(_read(folder / "unet" / MODEL_FILE), folder / "unet")
    options = {"format": FORMAT, "conversion": CONVERSION, "adopted": True}
    reading = prompt_reading or PromptReading()
    options |= reading_options(reading)
    revision = content_hash(folder, options, patterns=_PATTERNS, say=say)
    given = (defaults or GivenDefaults()).said()
    manifest = _known(folder, name, size, given, reading) or describe(
        folder,
        source=source,
        name=name,
        revision=revision,
        precision=precision,
        size=size,
        profile=read_working_profile(folder, given),
        configuration=configuration,
        prompt_reading=reading,
    )
    parts = _parts(folder, manifest, configuration)
    target.parent.mkdir(parents=True, exist_ok=True)
    _require_disk([file for part in parts for file in _models(folder / part)], target.parent)
    with Workshop(target, revision) as workshop:
        for part in parts:
            if not workshop.has(part):
                with workshop.part(part) as aside:
                    _link(folder / part, aside)
                    write_json(_config(folder, part, configuration), aside / "config.json")
        save_tokenizers(folder, workshop.bundle)
        save_scheduler(configuration.scheduler, workshop.bundle)
        write_json(read_json(folder / INDEX), workshop.bundle / INDEX)
        return publish(workshop, manifest, folder, verify, say)


def publish(
    workshop: Workshop, manifest: Manifest, source: Path, verify: Verify | None, say: Progress
) -> Manifest:
    """Try the schedulers on a finished bundle, verify it, and put it in its place.

    The judge of its source comes along.

    Raises:
        BundleError: The default scheduler does not work, or `verify` refuses the bundle.
    """
    manifest = with_schedulers(manifest, workshop.bundle)
    if (source / JUDGE).is_dir():
        shutil.copytree(source / JUDGE, workshop.bundle / JUDGE, dirs_exist_ok=True)
    save_manifest(manifest, workshop.bundle)
    if verify is not None:
        verify(workshop.bundle, manifest, source, say)
    workshop.finish()
    return manifest


def _check_text_encoders(folder: Path, configuration: Configuration) -> None:
    """Check tokenizers, and what encoders give of whose states the last layer is left out."""
    for name, config in configuration.encoders.items():
        check_tokenizer(folder / tokenizer_of(name))
        if len(configuration.encoders) == 1:
            continue
        outputs = {one for port in _read(folder / name / MODEL_FILE).outputs for one in port.names}
        wanted = {penultimate_port(config), *([POOLED] if name == SECOND_ENCODER else [])}
        if not wanted <= outputs:
            raise BundleError(
                f"The {name} in {folder} gives no {' and no '.join(sorted(wanted - outputs))}: "
                "give the original model, of which packshot converts every part."
            )


def _parts(folder: Path, manifest: Manifest, configuration: Configuration) -> list[str]:
    """List the parts that are there, those of the UNet's variants too."""
    variants = manifest.feature_caching.variants if manifest.feature_caching else ()
    folders = [variant_folder(one.name) for one in variants]
    found = dict.fromkeys((*configuration.encoders, *NEEDED, *OPTIONAL, *folders))
    return [part for part in found if (folder / part).is_dir()]


def _known(
    folder: Path,
    name: str | None,
    size: Size | None,
    given: Mapping[str, Any],
    reading: PromptReading,
) -> Manifest | None:
    """Return the manifest of a folder that is a bundle already.

    It reads prompts as it did, unless something is said of that: then its revision is another one.

    Raises:
        BundleError: An earlier version has made it, whose images it would share a cache with.
    """
    if not (folder / FILE_NAME).is_file():
        return None
    manifest = load_manifest(folder)
    load_layout(folder)
    defaults = resized(manifest, size).model_copy(update=dict(given))
    manifest = manifest.model_copy(update={"name": name or manifest.name, "defaults": defaults})
    said = reading_options(reading)
    if not said or reading == manifest.prompt_reading:
        return manifest
    order = json.dumps([manifest.revision, said], sort_keys=True)
    return manifest.model_copy(
        update={
            "revision": hashlib.sha256(order.encode()).hexdigest(),
            "prompt_reading": reading,
            "max_tokens": most_tokens(folder, reading),
        }
    )


def _read(path: Path) -> ov.Model:
    if not path.is_file():
        raise BundleError(f"{path} is missing: give a complete folder in the OpenVINO layout.")
    try:
        return ov.Core().read_model(path)
    except RuntimeError as error:
        reason = last_line(error)
        raise BundleError(
            f"{path} cannot be read ({reason}): download or export the model again."
        ) from error


def _check_unet(model: ov.Model, folder: Path) -> str:
    """Check that sizes are open; return the precision of most weights."""
    batch, _, height, width = model.input("sample").get_partial_shape()
    if not (batch.is_dynamic and height.is_dynamic and width.is_dynamic):
        raise BundleError(
            f"The UNet in {folder} has fixed shapes, so that it cannot run in batches: export the "
            "model again without `reshape`."
        )
    sizes: Counter[str] = Counter()
    for node in model.get_ops():
        if node.get_type_name() == "Constant":
            sizes[node.get_element_type().get_type_name()] += node.get_byte_size()
    return next(PRECISIONS[kind] for kind, _ in sizes.most_common() if kind in PRECISIONS)


def _models(folder: Path) -> list[Path]:
    """List the files of a part that are linked; the Hub's cache has links to its own."""
    graph = folder / MODEL_FILE
    return [graph, graph.with_suffix(".bin"), *folder.glob(ALIGNMENT_FILE)]


def _require_disk(files: Sequence[Path], folder: Path) -> None:
    """Check whether those that have to be copied have room; a link takes none."""
    copied = [file for file in files if not _links(file, folder)]
    if copied:
        require_disk(folder, sum(file.stat().st_size for file in copied), "copy the models")


def _links(file: Path, folder: Path) -> bool:
    """Try whether a file can be linked from a folder; only the file system knows."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".link-") as aside:
        try:
            os.link(file.resolve(), Path(aside) / file.name)
        except OSError:
            return False
    return True


def _link(folder: Path, target: Path) -> None:
    """Link the model's files."""
    for path in _models(folder):
        real = path.resolve()
        try:
            os.link(real, target / path.name)
        except OSError:
            shutil.copyfile(real, target / path.name)


def _config(folder: Path, part: str, configuration: Configuration) -> Config:
    if part in configuration.encoders:
        return configuration.encoders[part]
    if part == "vae_encoder" and (folder / part / "config.json").is_file():
        # Of another autoencoder than the decoder's, where a tiny one decodes.
        return read_vae(folder / part)
    # A UNet has a folder for each of its variants.
    return configuration.vae if part.startswith("vae_") else configuration.unet
