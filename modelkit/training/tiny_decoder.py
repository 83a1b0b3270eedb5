"""A small decoder learns what a bundle's own one makes of the bundle's own latents.

It needs no data. Latents are those of pictures that the bundle draws of its own prompts, and their
mirror images: a decoder turns what neighbouring latents have in common into edges and surfaces,
and noise of the same mean and variance has nothing of that. The teacher is the bundle's compiled
decoder, whatever it was quantised to; it is only asked, so no gradient has to pass it.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file
from torch.nn import functional

from bundles.layout import load_layout
from bundles.manifest import FILE_NAME, Addition, Manifest
from bundles.manifest_file import load_manifest, save_manifest
from bundles.plan import Plan
from bundles.records import write_json
from bundles.workshop import Workshop
from core.errors import BundleError
from modelkit.evaluation.comparison import likeness
from modelkit.export.additions import path_digest
from modelkit.export.configuration import read_vae
from modelkit.export.conversion import MODEL_FILE, convert_vae_decoder, save
from modelkit.progress import Progress, Silent
from modelkit.training.course import Course
from modelkit.training.device import Device
from modelkit.training.fit import fit
from modelkit.training.recipe import TrainingRecipe
from modelkit.training.taught_pictures import TaughtPicture, draw_pictures
from worker.pipeline import Pipeline

PART = "vae_decoder"

WEIGHTS = "diffusion_pytorch_model.safetensors"

BLOCKS = 3
"""Residual blocks at each resolution but the finest, which has one: as in TAESD."""

CROP = 32
"""Latents along each side of what is learned from at once: memory grows with them."""

HELD_OUT = 8
"""One picture of so many is not learned from, and measures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distilled:
    """A bundle with a small decoder."""

    manifest: Manifest
    parameters: int
    decibels: tuple[float, ...]
    """PSNR of each picture that was held out, to what the bundle's own decoder makes of it."""


def distil_decoder(
    bundle: Path,
    target: Path,
    *,
    recipe: TrainingRecipe,
    device: Device,
    width: int = 64,
    pictures: int = 64,
    say: Progress | None = None,
) -> Distilled:
    """Make a bundle like another one, with a small decoder in the place of its own.

    It is made in a hidden folder beside `target`, in which pictures and the training's checkpoint
    wait for the next call with the same bundle and numbers.

    Args:
        bundle: The folder of the bundle that teaches.
        target: The new bundle's folder; its name is the bundle's.
        recipe: How the training walks.
        device: Where it computes.
        width: Channels of the decoder: 64 makes 1.2 million parameters.
        pictures: How many are drawn to learn from and to measure on.
        say: Hears how far it is.

    Raises:
        BundleError: The bundle cannot be used, has such a decoder already, or the target exists.
        KeyboardInterrupt: Somebody pressed Ctrl-C; what is done is kept.
    """
    say = say or Silent()
    manifest = load_manifest(bundle)
    _check(bundle, target, pictures)
    numbers = [manifest.revision, asdict(recipe), width, pictures]
    key = hashlib.sha256(json.dumps(numbers).encode()).hexdigest()
    target.parent.mkdir(parents=True, exist_ok=True)
    with Workshop(target, key) as workshop:
        pairs = draw_pictures(bundle, manifest, pictures, workshop.scratch / "pictures", say)
        held_out, learned = pairs[:: HELD_OUT * 2], _learned(pairs)
        tiny = _student(bundle, width)
        _train(tiny, learned, workshop.scratch, recipe, device, say)
        _assemble(tiny, bundle, manifest, workshop)
        found = _measure(workshop.bundle, held_out)
        made = _describe(manifest, workshop.bundle / PART, target.name)
        save_manifest(made, workshop.bundle)
        workshop.finish()
    return Distilled(manifest=made, parameters=_parameters(tiny), decibels=found)


def _check(bundle: Path, target: Path, pictures: int) -> None:
    if target.exists():
        raise BundleError(f"{target} exists: give another name with --name.")
    if load_layout(bundle).vae.get("_class_name") == AutoencoderTiny.__name__:
        raise BundleError(
            f"{bundle} has a tiny decoder already: give the bundle that it was made from, whose "
            "decoder it can learn from."
        )
    if pictures < 2:
        raise BundleError("Give two pictures at least: one to learn from, and one to measure on.")


def _learned(pairs: Sequence[TaughtPicture]) -> list[TaughtPicture]:
    """Return what is learned from: neither a held-out picture nor its mirror image."""
    return [one for place, one in enumerate(pairs) if place // 2 % HELD_OUT]


def _student(bundle: Path, width: int) -> AutoencoderTiny:
    """Make a decoder for the bundle's latents; the encoder beside it is not used."""
    config = load_layout(bundle).vae
    levels = len(config["block_out_channels"])
    torch.manual_seed(0)
    return AutoencoderTiny(
        latent_channels=config["latent_channels"],
        encoder_block_out_channels=(8,) * levels,
        num_encoder_blocks=(1,) * levels,
        decoder_block_out_channels=(width,) * levels,
        num_decoder_blocks=(BLOCKS,) * (levels - 1) + (1,),
    )


def _train(
    tiny: AutoencoderTiny,
    pairs: Sequence[TaughtPicture],
    scratch: Path,
    recipe: TrainingRecipe,
    device: Device,
    say: Progress,
) -> None:
    decoder = tiny.decoder.to(device.name)
    course = Course(
        "the decoder learns",
        scratch / "training.pt",
        minutes=recipe.minutes,
        steps=recipe.steps,
        resume=True,
        say=say,
    )

    def loss(turn: int) -> torch.Tensor:
        latents, images = _batch(pairs, recipe.batch, seed=recipe.seed + turn)
        with device.autocast():
            seen = decoder(latents.to(device.name)).float()
        # Pixels from -1 to 1; the absolute error keeps edges that the squared one blurs.
        return functional.l1_loss(seen, images.to(device.name).float() / 127.5 - 1)

    fit(decoder, loss, course, recipe).copy_to(decoder)
    tiny.to("cpu").eval()


def _batch(
    pairs: Sequence[TaughtPicture], rows: int, *, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the same place out of latents and their image, for each row another one."""
    chance = np.random.default_rng(seed)
    latents, images = [], []
    for place in chance.integers(len(pairs), size=rows):
        pair = pairs[place]
        height, width = pair.latents.shape[1:]
        scale = pair.image.shape[1] // height
        tall, wide = min(height, CROP), min(width, CROP)
        top, left = chance.integers(height - tall + 1), chance.integers(width - wide + 1)
        latents.append(pair.latents[:, top : top + tall, left : left + wide])
        images.append(
            pair.image[:, top * scale : (top + tall) * scale, left * scale : (left + wide) * scale]
        )
    return torch.stack(latents), torch.stack(images)


def _assemble(tiny: AutoencoderTiny, bundle: Path, manifest: Manifest, workshop: Workshop) -> None:
    """Link the bundle's other parts, and write the decoder: its graph beside its weights."""
    for path in sorted(bundle.rglob("*")):
        inside = path.relative_to(bundle)
        if path.is_file() and inside.parts[0] not in (PART, FILE_NAME):
            (workshop.bundle / inside).parent.mkdir(parents=True, exist_ok=True)
            (workshop.bundle / inside).unlink(missing_ok=True)
            _link(path.resolve(), workshop.bundle / inside)
    if (bundle / "vae_encoder").is_dir():
        # What the encoder scales by stays; written anew, because links share their content.
        config = workshop.bundle / "vae_encoder" / "config.json"
        config.unlink(missing_ok=True)
        write_json(load_layout(bundle).encoder, config)
    if workshop.has(PART):
        return
    with workshop.part(PART) as aside:
        tiny.save_pretrained(aside)
        kept = {name: one for name, one in tiny.state_dict().items() if name.startswith("decoder.")}
        save_file(kept, aside / WEIGHTS, metadata={"format": "pt"})
        write_json(read_vae(aside), aside / "config.json")
        save(convert_vae_decoder(aside), aside / MODEL_FILE, halves=manifest.precision != "fp32")


def _link(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except OSError:
        shutil.copyfile(path, copy)


def _measure(bundle: Path, held_out: Sequence[TaughtPicture]) -> tuple[float, ...]:
    """Return the PSNR of each picture, decoded as a worker does."""
    pipeline = Pipeline(bundle, precision="f32", plan=Plan())
    return tuple(
        likeness(
            pipeline.decode(pair.latents[None].numpy())[0], pair.image.permute(1, 2, 0).numpy()
        )
        for pair in held_out
    )


def _describe(manifest: Manifest, part: Path, name: str) -> Manifest:
    # As of a build with `--vae` and this part: so can it be compared with diffusers.
    digest = path_digest(part)
    addition = Addition(kind="vae", name=PART, sha256=digest)
    others = [one for one in manifest.additions if one.kind != "vae"]
    return manifest.model_copy(
        update={
            "name": name,
            "revision": hashlib.sha256(f"{manifest.revision} {digest}".encode()).hexdigest(),
            "additions": (addition, *others),
            "vae_quantisation": None,
            # They were measured of the other decoder's images.
            "scores": {},
        }
    )


def _parameters(tiny: AutoencoderTiny) -> int:
    return sum(math.prod(one.shape) for one in tiny.decoder.parameters())
