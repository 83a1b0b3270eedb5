"""A source made ready for a build: single files unpacked, parts exchanged, words taught."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel

from bundles.layout import SCHEDULER_FILE, load_tokenizer
from bundles.manifest import Addition
from bundles.records import INDEX, read_json, text_encoders, write_json
from bundles.workshop import Workshop
from core.errors import BundleError
from modelkit.export.additions import Additions, Lora, TimestepSpacing, path_digest
from modelkit.export.autoencoders import clear, exchange_autoencoder, only_decodes
from modelkit.export.conversion import load_part
from modelkit.export.embeddings import leave_out_layers, teach
from modelkit.export.loras import TEXT, UNET, fuse
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
    if not (source / "unet" / "config.json").is_file() or any(source.glob("unet/*.xml")):
        raise BundleError(
            f"{source} is converted already: give the original model to change its parts."
        )
    if additions.changes_texts and len(text_encoders(read_json(source / INDEX))) > 1:
        raise BundleError(
            f"{source} is a model of Stable Diffusion XL, for which packshot does not know --lora, "
            "--embedding and --clip-skip yet: leave them out, or add them with diffusers' own "
            "load_lora_weights and fuse_lora and save the model."
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
        _change_text_encoder(additions, folder)


def _add_loras(loras: Sequence[Lora], folder: Path) -> None:
    parts: dict[str, Any] = {
        UNET: load_part(UNet2DConditionModel, folder / UNET),
        TEXT: load_part(CLIPTextModel, folder / TEXT),
    }
    changed = set[str]().union(*(fuse(parts, one) for one in loras))
    for name in sorted(changed):
        clear(folder / name)
        save_part(parts[name], folder / name, halves=False)


def _change_spacing(spacing: TimestepSpacing, folder: Path) -> None:
    config = read_json(folder / "scheduler" / SCHEDULER_FILE)
    clear(folder / "scheduler")
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(config | {"timestep_spacing": spacing}, folder / "scheduler" / SCHEDULER_FILE)


def _change_text_encoder(additions: Additions, folder: Path) -> None:
    encoder = load_part(CLIPTextModel, folder / "text_encoder")
    tokenizer = load_tokenizer(folder)
    if additions.clip_skip:
        leave_out_layers(encoder, additions.clip_skip, folder)
    if additions.embeddings:
        teach(encoder, tokenizer, additions.embeddings)
    for part in ("text_encoder", "tokenizer"):
        clear(folder / part)
    save_part(encoder, folder / "text_encoder", halves=False)
    tokenizer.save_pretrained(folder / "tokenizer")


def _digest(source: Path, additions: Additions, say: Progress) -> str:
    content = path_digest(source) if source.is_file() else content_hash(source, {}, say=say)
    said = [PREPARATION, content, additions.digest()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
