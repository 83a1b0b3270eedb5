"""A source made ready for a build: single files unpacked, parts exchanged, words taught."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import UNet2DConditionModel

from bundles.layout import SCHEDULER_FILE, load_tokenizer
from bundles.manifest import Addition
from bundles.records import INDEX, read_json, text_encoders, tokenizer_of, write_json
from bundles.workshop import Workshop
from core.errors import BundleError
from modelkit.export.additions import Additions, Lora, TimestepSpacing, path_digest
from modelkit.export.adoption import is_converted
from modelkit.export.autoencoders import clear, exchange_autoencoder, only_decodes
from modelkit.export.conversion import load_part
from modelkit.export.embeddings import skip_layers, teach
from modelkit.export.loras import UNET, fuse
from modelkit.export.pipelines import encoder_class
from modelkit.export.single_file import (
    convert_single_file,
    recognise_file,
    save_part,
)
from modelkit.export.source import content_hash
from modelkit.progress import Progress

PREPARATION = 1
"""Grows whenever the same source and additions become another folder."""

_MODEL = "model"
"""The prepared folder, among those of a workshop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A source that a bundle can be made of."""

    folder: Path
    """In diffusers' layout, or in OpenVINO's."""
    digest: str | None = None
    """Of what it was prepared from; None: it is the source itself."""
    additions: tuple[Addition, ...] = ()
    """What was changed, for the bundle's manifest."""


@contextmanager
def prepared(source: Path, additions: Additions, target: Path, say: Progress) -> Iterator[Prepared]:
    """Prepare a source beside a bundle's place, for as long as it is built.

    A folder to which nothing is added is taken as it is. What was prepared waits for the next try
    when the work is interrupted, and is removed when it is done or cannot be done.

    Args:
        source: A folder in diffusers' layout, or a single file.
        additions: What to change.
        target: The bundle's folder.
        say: Hears how far it is.

    Raises:
        BundleError: It cannot be prepared: see `convert_single_file` and `teach`.
    """
    if source.is_dir() and not additions:
        yield Prepared(folder=source)
        return
    check_additions(source, additions)
    digest = _digest(source, additions, say)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Workshop(target.with_name(f"{target.name}.source"), digest) as workshop:
        if not workshop.has(_MODEL):
            with workshop.part(_MODEL) as aside:
                prepare(source, additions, aside, say)
        folder = workshop.bundle / _MODEL
        yield Prepared(folder=folder, digest=digest, additions=additions.described())
        workshop.discard()


def check_additions(source: Path, additions: Additions) -> None:
    """Check what can be checked before anything is read.

    Raises:
        BundleError: A file is missing or a pickle, the source is of no known family, or takes no
            such addition.
    """
    additions.check()
    if source.is_file():
        recognise_file(source)
        return
    if additions.config or additions.prediction_type:
        raise BundleError(
            f"{source} is a folder, which has a configuration: --config and --prediction-type are "
            "for single files. Correct its scheduler/scheduler_config.json instead."
        )
    if not (source / "unet" / "config.json").is_file() or is_converted(source):
        raise BundleError(
            f"{source} is converted already: give the original model to change its parts."
        )


def prepare(source: Path, additions: Additions, folder: Path, say: Progress) -> None:
    """Write a source with its additions to an empty folder; parts that stay are linked.

    Raises:
        BundleError: It cannot be prepared.
    """
    if source.is_file():
        own_vae = additions.vae is None or only_decodes(additions.vae)
        convert_single_file(source, additions, folder, say, own_vae=own_vae)
    else:
        for path in source.resolve().iterdir():
            (folder / path.name).symlink_to(path)
    if additions.vae is not None:
        exchange_autoencoder(additions.vae, folder)
    if additions.loras:
        _add_loras(additions.loras, folder)
    if additions.timestep_spacing is not None:
        _change_spacing(additions.timestep_spacing, folder)
    if additions.embeddings or additions.clip_skip:
        _change_text_encoders(additions, folder)


def _add_loras(loras: Sequence[Lora], folder: Path) -> None:
    parts = {UNET: load_part(UNet2DConditionModel, folder / UNET), **_load_encoders(folder)}
    changed = set[str]().union(*(fuse(parts, one) for one in loras))
    for name in sorted(changed):
        clear(folder / name)
        save_part(parts[name], folder / name, halves=False)


def _change_spacing(spacing: TimestepSpacing, folder: Path) -> None:
    config = read_json(folder / "scheduler" / SCHEDULER_FILE)
    clear(folder / "scheduler")
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(config | {"timestep_spacing": spacing}, folder / "scheduler" / SCHEDULER_FILE)


def _change_text_encoders(additions: Additions, folder: Path) -> None:
    encoders = _load_encoders(folder)
    tokenizers = {name: load_tokenizer(folder, name) for name in encoders}
    if additions.clip_skip:
        skip_layers(encoders, additions.clip_skip, folder)
    if additions.embeddings:
        teach(encoders, tokenizers, additions.embeddings)
    for name, encoder in encoders.items():
        for part in (name, tokenizer_of(name)):
            clear(folder / part)
        save_part(encoder, folder / name, halves=False)
        tokenizers[name].save_pretrained(folder / tokenizer_of(name))


def _load_encoders(folder: Path) -> dict[str, Any]:
    """Load a model's text encoders, by their folders."""
    return {
        name: load_part(encoder_class(name), folder / name)
        for name in text_encoders(read_json(folder / INDEX))
    }


def _digest(source: Path, additions: Additions, say: Progress) -> str:
    content = path_digest(source) if source.is_file() else content_hash(source, {}, say=say)
    said = [PREPARATION, content, additions.digest()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
