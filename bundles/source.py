"""Where a bundle is made from: a diffusers folder or a Hub id, and what it says about itself."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from pydantic import Field, ValidationError

from bundles.manifest import Defaults, Record, Sizes
from core.errors import BundleError

PROFILE = "packshot.json"
"""Optional file in a source folder with its name, licence, defaults and sizes."""

_WANTED = ("*.json", "*.txt", "*.safetensors")
"""What a bundle is made from; other weights in a Hub repository are duplicates of these."""


class Profile(Record):
    """What a source says about itself; unsaid things get Stable Diffusion 1.5's values."""

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


def locate(source: Path | str) -> Path:
    """Find the local folder of a source, downloaded when it is a Hub id.

    Raises:
        BundleError: It is neither, or not a model in diffusers' layout.
    """
    folder = Path(source)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(str(source), allow_patterns=[*_WANTED, "README.md"]))
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
            raise BundleError(
                f"{source} is neither a folder nor a model on the Hub that can be reached: "
                "give a diffusers folder (one with model_index.json)"
            ) from error
    if not (folder / "model_index.json").is_file():
        raise BundleError(
            f"{folder} has no model_index.json: give a folder made by diffusers' save_pretrained"
        )
    return folder


def read_profile(folder: Path) -> Profile:
    """Read the folder's packshot.json, or the defaults, with the licence of its model card."""
    path = folder / PROFILE
    content: Any = {}
    if path.is_file():
        try:
            content = json.loads(path.read_bytes())
            profile = Profile.model_validate(content)
        except (ValueError, ValidationError) as error:
            raise BundleError(f"{path} is damaged: {error}") from error
    else:
        profile = Profile()
    if profile.licence is None:
        return profile.model_copy(update={"licence": _card_licence(folder)})
    return profile


def _card_licence(folder: Path) -> str | None:
    """Find the licence in the front matter of README.md, as the Hub writes it."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    found = re.search(r"^license:\s*(\S+)\s*$", card.read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else None


def content_hash(folder: Path, options: dict[str, Any]) -> str:
    """Hash the source's files and the build options, the same on every machine.

    Names and contents count; times, owners, hidden files and the order of listing do not.
    """
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    found = {path for pattern in _WANTED for path in folder.rglob(pattern) if path.is_file()}
    for relative in sorted(path.relative_to(folder).as_posix() for path in found):
        if any(part.startswith(".") for part in relative.split("/")):
            continue
        with (folder / relative).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(relative.encode() + b"\0" + content)
    return digest.hexdigest()
