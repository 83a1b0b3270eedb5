"""A complete diffusers folder around a UNet that was trained."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from torch import nn

from modelkit.export.source import PROFILE, Profile

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
    """Tell how a part's weights are stored, by the first of them."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            stored = {file.get_slice(name).get_dtype() for name in list(file.keys())[:1]}
        return torch.float16 if stored == {"F16"} else torch.float32
    return torch.float32


def forget_path(config: Path) -> None:
    """Take out the folder that a part was loaded from; it means nothing elsewhere."""
    content = json.loads(config.read_bytes())
    content.pop("_name_or_path", None)
    config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
