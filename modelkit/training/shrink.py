"""Distillation: blocks are taken out of a UNet, which learns to do what the whole one does."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch.nn import functional

from core.errors import BundleError
from modelkit.export.source import content_hash, read_profile
from modelkit.progress import Progress
from modelkit.training.device import Device, require_room
from modelkit.training.fit import Loss, checkpoint_gradients, fit
from modelkit.training.models import load_unet, locate_whole, predict
from modelkit.training.recipe import TrainingRecipe
from modelkit.training.target import TrainingFolder, write_folder
from modelkit.training.teacher import Teacher, load_teacher

CHOICES = "mid, layers, or attention-0, attention-1, … (0 is the finest resolution)"

_PLAIN = {"CrossAttnDownBlock2D": "DownBlock2D", "CrossAttnUpBlock2D": "UpBlock2D"}
"""A block without its attention; its other layers have the same names and shapes."""

Config = dict[str, Any]


def cut(unet: UNet2DConditionModel, parts: Sequence[str]) -> UNet2DConditionModel:
    """Return a smaller UNet with the weights of a larger one.

    Args:
        unet: The larger one; it is left as it is.
        parts: What to take out. `mid`: the middle block. `layers`: all but the first residual and
            attention pair of each stage on the way down, and all but the first and last on the way
            up, as BK-SDM's base model (Kim et al., 2023, arXiv 2305.15798). `attention-N`: the
            attention layers at the N-th resolution, 0 being the finest.

    Raises:
        BundleError: There is no such part in this UNet.
    """
    # diffusers would put its defaults back in the place of values that are named here.
    config: Config = {
        name: value for name, value in unet.config.items() if name != "_use_default_values"
    }
    for part in dict.fromkeys(parts):
        config = _without(config, part)
    smaller = UNet2DConditionModel.from_config(config)
    weights, depth = unet.state_dict(), unet.config.layers_per_block
    smaller.load_state_dict(
        {
            name: weights[_origin(name, depth) if "layers" in parts else name]
            for name in smaller.state_dict()
        }
    )
    return smaller.eval()


def _without(config: Config, part: str) -> Config:
    attention = re.fullmatch(r"attention-(\d+)", part)
    if part == "mid":
        return _without_mid(config)
    if part == "layers":
        return _without_layers(config)
    if attention:
        return _without_attention(config, int(attention[1]))
    raise BundleError(f"{part!r} is no part that can be removed: choose {CHOICES}.")


def _without_mid(config: Config) -> Config:
    if config["mid_block_type"] is None:
        raise BundleError("This UNet has no middle block: choose something else to remove.")
    return config | {"mid_block_type": None}


def _without_layers(config: Config) -> Config:
    layers = config["layers_per_block"]
    if not isinstance(layers, int):
        raise BundleError(
            "This UNet's stages differ in their number of layers: choose something else to remove."
        )
    if layers < 2:
        raise BundleError(
            "This UNet has one layer in each stage already: choose something else to remove."
        )
    return config | {"layers_per_block": 1}


def _without_attention(config: Config, stage: int) -> Config:
    down, up = list(config["down_block_types"]), list(config["up_block_types"])
    if stage >= len(down) or down[stage] not in _PLAIN or up[-1 - stage] not in _PLAIN:
        found = [str(number) for number, kind in enumerate(down) if kind in _PLAIN]
        raise BundleError(
            f"This UNet has no attention at resolution {stage}, counted from the finest, 0: "
            f"choose {' or '.join(found) or 'something else to remove'}."
        )
    down[stage], up[-1 - stage] = _PLAIN[down[stage]], _PLAIN[up[-1 - stage]]
    return config | {"down_block_types": down, "up_block_types": up}


def _origin(name: str, depth: int) -> str:
    """Return which weight of the deep UNet a weight of the shallow one was.

    Stages of `depth` layers on the way down keep the first; on the way up, where there is one
    more, the first and the last, whose inputs have the widths that are still there.
    """
    return re.sub(r"^(up_blocks\.\d+\.(?:resnets|attentions)\.)1\.", rf"\g<1>{depth}.", name)


def shrink(
    source: Path | str,
    out: Path,
    *,
    remove: Sequence[str],
    recipe: TrainingRecipe,
    device: Device,
    resume: bool,
    say: Progress,
) -> tuple[int, int]:
    """Take blocks out of a model's UNet, let it learn to do without, and write a diffusers folder.

    The loss is that of BK-SDM (Kim et al., 2023, arXiv 2305.15798) without its term for images:
    the teacher's predictions while it draws, and what comes out of each of its blocks.

    Args:
        source: A diffusers folder, or a Hub id.
        out: The new model's folder; must not exist.
        remove: Parts, as `cuts.cut` names them.
        recipe: Budget and numbers; a row of the batch is a row of the UNet.
        device: Where to compute.
        resume: Whether to go on with an interrupted training.
        say: Told of every step.

    Returns:
        How many parameters the UNet had, and has now.

    Raises:
        BundleError: Something given cannot be used; the sentence says what.
    """
    if not remove:
        raise BundleError(f"Name something to remove: {CHOICES}.")
    folder = locate_whole(source, say)
    require_room(folder, out, device=device, taught=True)
    student = cut(load_unet(folder), remove).requires_grad_(True).to(device.name)
    settings = {
        "model": content_hash(folder / "unet", {}),
        "removed": sorted(set(remove)),
        "seed": recipe.seed,
    }
    target = TrainingFolder(out, settings=settings, resume=resume)
    course = target.course("train the smaller UNet", recipe, say)
    teacher = load_teacher(folder, rows=recipe.batch, device=device, seed=recipe.seed + course.step)
    if recipe.gradient_checkpointing:
        checkpoint_gradients(student)
    fit(student, _loss(student, teacher, device), course, recipe).copy_to(student)
    profile = read_profile(folder)
    target.publish(lambda aside: write_folder(student, folder, aside, profile))
    return teacher.unet.num_parameters(), student.num_parameters()


def _loss(student: UNet2DConditionModel, teacher: Teacher, device: Device) -> Loss:
    theirs, ours = _Outputs(teacher.unet), _Outputs(student)
    common = [name for name in theirs.names if name in ours.names]

    def loss(_number: int) -> torch.Tensor:
        call = next(teacher.calls)
        with device.autocast():
            predicted = predict(student, call.sample, call.timestep, call.states)
        total = functional.mse_loss(predicted, call.output)
        for name in common:
            wanted = theirs.last[name].float()
            # Relative, because deep features are many times as large as what is predicted.
            total = total + (ours.last[name].float() - wanted).square().mean() / (
                len(common) * wanted.square().mean()
            )
        return total

    return loss


class _Outputs:
    """What came out of a UNet's blocks when it was called last."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        blocks: dict[str, nn.Module] = {
            f"{way}.{number}": block
            for way in ("down_blocks", "up_blocks")
            for number, block in enumerate(getattr(unet, way))
        }
        if unet.mid_block is not None:
            blocks["mid_block"] = unet.mid_block
        self.names = tuple(blocks)
        self.last: dict[str, torch.Tensor] = {}
        for name, block in blocks.items():
            block.register_forward_hook(self._keeper(name))

    def _keeper(self, name: str) -> Any:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self.last[name] = output[0] if isinstance(output, tuple) else output

        return keep
