"""Where a training leaves a complete diffusers folder, and where it works until then."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from torch import nn

from core.errors import BundleError
from modelkit.export.source import PROFILE, Profile
from modelkit.progress import Progress
from modelkit.training.course import Course
from modelkit.training.recipe import TrainingRecipe

_KEPT = (".json", ".txt", ".safetensors", ".md")
"""What goes along from the source; other weights in a folder are duplicates of these."""


def write_folder(unet: UNet2DConditionModel, source: Path, target: Path, profile: Profile) -> None:
    """Fill `target` with a UNet, and with everything else of the diffusers folder `source`.

    Weights are as fine as the source's: FP16 if its UNet's were, else FP32.
    """
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if not _goes_along(relative) or not path.is_file():
            continue
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / relative)
    # diffusers' own `to` warns of casting.
    nn.Module.to(unet, "cpu", _dtype(source / "unet"))
    unet.save_pretrained(target / "unet")
    forget_path(target / "unet" / "config.json")
    # What was found out about the old UNet's layers need not hold for this one.
    build = profile.build.model_copy(update={"quantisation": None})
    profile = profile.model_copy(update={"build": build})
    (target / PROFILE).write_text(profile.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _goes_along(relative: Path) -> bool:
    if any(part.startswith(".") for part in relative.parts) or relative.parts[0] == "unet":
        return False
    # Weights outside of the parts' folders are the whole model again, in one file.
    single = len(relative.parts) == 1 and relative.suffix == ".safetensors"
    return relative.suffix in _KEPT and not single


def _dtype(folder: Path) -> torch.dtype:
    """Return how a part's weights are stored, by the first of them."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            stored = {file.get_slice(name).get_dtype() for name in list(file.keys())[:1]}
        return torch.float16 if stored == {"F16"} else torch.float32
    return torch.float32


def forget_path(config: Path) -> None:
    """Remove the folder that a part was loaded from; it means nothing elsewhere."""
    content = json.loads(config.read_bytes())
    content.pop("_name_or_path", None)
    config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


SETTINGS = "settings.json"
CHECKPOINT = "checkpoint.pt"


class TrainingFolder:
    """A folder that appears whole when the training is over, and a hidden one beside it."""

    def __init__(self, out: Path, *, settings: dict[str, Any], resume: bool) -> None:
        """Make the working folder, or find the one of an interrupted training.

        Args:
            out: The result's folder; must not exist.
            settings: What decides the result besides chance and time, as plain values; an
                interrupted training goes on only with the same.
            resume: Whether to go on with an interrupted training, if there is one.

        Raises:
            BundleError: `out` exists, or an interrupted training is there and was not asked for,
                or was begun with other settings.
        """
        self.out = out
        self.work = out.absolute().parent / f".{out.name}-training"
        self.resume = resume
        if out.exists():
            raise BundleError(f"{out} exists: choose another folder with --out, or remove it.")
        known = self.work / SETTINGS
        if known.is_file():
            self._compare(json.loads(known.read_bytes()), settings)
        self.work.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @property
    def checkpoint(self) -> Path:
        """Return the folder where the training's state is kept."""
        return self.work / CHECKPOINT

    def course(self, name: str, recipe: TrainingRecipe, say: Progress) -> Course:
        """Begin the training of this name, or go on with it."""
        return Course(
            name,
            self.checkpoint,
            minutes=recipe.minutes,
            steps=recipe.steps,
            resume=self.resume,
            say=say,
        )

    def publish(self, write: Callable[[Path], None]) -> None:
        """Fill a folder by `write`, rename it to `out`, and remove the working folder."""
        aside = Path(tempfile.mkdtemp(prefix=f".{self.out.name}-", dir=self.work.parent))
        # mkdtemp's 0700 would keep others out.
        aside.chmod(0o755)
        try:
            write(aside)
            os.replace(aside, self.out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def _compare(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        begun = self.checkpoint.is_file()
        if begun and not self.resume:
            raise BundleError(
                f"An interrupted training for {self.out} is in {self.work}: "
                "go on with it by --resume, or remove that folder."
            )
        # Through JSON and back, as the other one came.
        fresh = json.loads(json.dumps(now))
        other = [name for name in fresh if fresh[name] != before.get(name)]
        if begun and other:
            raise BundleError(
                f"The interrupted training in {self.work} was begun with another "
                f"{' and another '.join(other)}: give what it was begun with, or remove "
                "that folder."
            )
