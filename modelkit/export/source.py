"""Where a bundle is made from: a diffusers folder or a Hub id, and what it says about itself."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from bundles.manifest import Defaults, Quantisation, Sizes
from bundles.records import INDEX, Record, first_fault
from core.errors import BundleError
from modelkit.export.additions import pickled
from modelkit.export.architecture import check_architecture
from modelkit.export.defaults import size_step, sizes_around, source_defaults
from modelkit.export.unused import models_inside, names_of
from modelkit.export.weights import PICKLED
from modelkit.progress import Progress, Silent

PROFILE = "packshot.json"
"""Optional file in a source folder with its name, licence, defaults and sizes."""

_WANTED = ("*.json", "*.txt", "*.safetensors")
"""What a bundle is made from; other weights in a Hub repository are duplicates of these."""


class Build(Record):
    """How a source becomes a bundle when nobody says otherwise."""

    precision: Literal["fp32", "fp16", "bf16", "int8"] = Field("fp16", description="Of the UNet.")
    quantisation: Quantisation | None = Field(
        None, description="What an earlier search found best for INT8; empty: it is searched for."
    )


class Profile(Record):
    """What a source says about itself; `read_profile` finds the rest in its parts."""

    name: str | None = Field(None, description="Name of its bundles.")
    licence: str | None = Field(None, description="SPDX identifier.")
    defaults: Defaults = Field(
        default_factory=lambda: Defaults(steps=20, guidance_scale=7.5, width=512, height=512)
    )
    sizes: Sizes = Field(
        default_factory=lambda: Sizes(min=256, max=1024, multiple_of=64, tested=((512, 512),))
    )
    prompts: tuple[str, ...] = Field(
        (), description="What it draws; its bundles are calibrated and evaluated on these."
    )
    build: Build = Field(default_factory=Build)
    streams: int = Field(
        1, ge=1, description="UNet calls at the same time on a machine that nobody tuned."
    )


def locate(source: Path | str, say: Progress | None = None) -> Path:
    """Find the local folder of a source, downloaded when it is a Hub id.

    Args:
        source: The folder, or the id.
        say: Hears how far a download is.

    Raises:
        BundleError: It is neither, or not a model that packshot makes bundles of.
    """
    folder = Path(source)
    if folder.is_file():
        raise BundleError(_not_a_folder(folder))
    if not folder.is_dir():
        from modelkit.export.hub import download  # noqa: PLC0415 - for Hub ids only

        folder = download(str(source), say or Silent())
    if not (folder / INDEX).is_file():
        raise BundleError(_no_model(folder))
    check_architecture(folder)
    return folder


def find_source(source: Path | str, say: Progress | None = None) -> Path:
    """Find what a bundle is made from: a single file, or a folder as `locate` finds it.

    Raises:
        BundleError: It is neither, or a pickle.
    """
    file = Path(source)
    if not file.is_file():
        return locate(source, say)
    if file.suffix in PICKLED:
        raise BundleError(pickled(file))
    return file


def _no_model(folder: Path) -> str:
    found = models_inside(folder)
    if len(found) > 1:
        return f"{folder} holds {len(found)} models: give one of them ({names_of(found)})."
    if found:
        return f"{folder} is no model itself, but holds one: give {found[0]}."
    return f"{folder} has no {INDEX}: give a folder made by diffusers' save_pretrained."


def _not_a_folder(file: Path) -> str:
    if file.suffix in PICKLED:
        return pickled(file)
    return (
        f"{file} is a single file, of which `packshot model build` makes bundles: give a folder in "
        "diffusers' layout here. `StableDiffusionPipeline.from_single_file(...)"
        ".save_pretrained(...)` of diffusers makes one."
    )


def read_profile(folder: Path) -> Profile:
    """Read what the folder's packshot.json says; its parts and its model card say the rest.

    Raises:
        BundleError: The packshot.json is damaged.
    """
    path = folder / PROFILE
    try:
        content: Any = json.loads(path.read_bytes()) if path.is_file() else {}
        profile = Profile.model_validate(_completed(content, folder))
    except ValueError as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else error
        raise BundleError(
            f"{path} is damaged ({reason}): correct it, or remove it, and the model's own files "
            "count."
        ) from error
    if profile.licence is None:
        return profile.model_copy(update={"licence": _card_licence(folder)})
    return profile


def names_scheduler(folder: Path) -> bool:
    """Check whether the folder's packshot.json says what its default scheduler is."""
    path = folder / PROFILE
    if not path.is_file():
        return False
    content: Any = json.loads(path.read_bytes())
    return "scheduler" in content.get("defaults", {})


def _completed(content: Any, folder: Path) -> Any:
    """Add the defaults and sizes that a packshot.json leaves to the model."""
    if not isinstance(content, dict):
        return content
    defaults = content.get("defaults", {})
    if not isinstance(defaults, dict):
        return content
    defaults = source_defaults(folder).model_dump() | defaults
    completed = content | {"defaults": defaults}
    sides, sizes = (defaults["width"], defaults["height"]), content.get("sizes", {})
    if isinstance(sizes, dict) and all(isinstance(side, int) and side >= 8 for side in sides):
        completed["sizes"] = sizes_around(*sides, step=size_step(folder)).model_dump() | sizes
    return completed


def _card_licence(folder: Path) -> str | None:
    """Find the licence in the front matter of README.md, as the Hub writes it."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    found = re.search(r"^license:\s*(\S+)\s*$", card.read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else None


def content_hash(
    folder: Path,
    options: dict[str, Any],
    *,
    patterns: Sequence[str] = _WANTED,
    say: Progress | None = None,
) -> str:
    """Hash the source's files and the build options, the same on every machine.

    Names and contents count; times, owners, hidden files and the order of listing do not.

    Args:
        folder: The source.
        options: Whatever else decides the result; JSON values.
        patterns: Which files count.
        say: Advanced by one per file.
    """
    say = say or Silent()
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    visible = [name for name in names if not any(step[0] == "." for step in name.split("/"))]
    say.stage("read the source", len(visible))
    for name in visible:
        with (folder / name).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(name.encode() + b"\0" + content)
        say.advance()
    return digest.hexdigest()


_WEIGHTS = ("*.bin", "*.safetensors")


def revision_of(order: str, bundle: Path, measured: Iterable[Record]) -> str:
    """Return what identifies a bundle: the order, and what measurements made of it.

    Most bundles follow from their order. What is chosen or scaled by measuring may come out
    differently on another machine; then its weights tell, and images are not taken for each
    other's.

    Args:
        order: Hash of the source and the options.
        bundle: The finished parts.
        measured: What was found out while they were made.
    """
    found = [record.model_dump(mode="json") for record in measured]
    if not found:
        return order
    return content_hash(bundle, {"order": order, "measured": found}, patterns=_WEIGHTS)
