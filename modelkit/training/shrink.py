"""Distillation: a UNet with fewer blocks learns to do what the whole one does."""

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
from modelkit.training.checkpointing import checkpoint_gradients
from modelkit.training.cuts import CHOICES, cut
from modelkit.training.device import Device
from modelkit.training.fit import Loss, fit
from modelkit.training.folder import write_folder
from modelkit.training.models import load_unet, locate_whole
from modelkit.training.needs import require_room
from modelkit.training.predictor import predict
from modelkit.training.recipe import Recipe
from modelkit.training.target import Target
from modelkit.training.teacher import Teacher, load_teacher


def shrink(
    source: Path | str,
    out: Path,
    *,
    remove: Sequence[str],
    recipe: Recipe,
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
        raise BundleError(f"name something to remove: {CHOICES}")
    folder = locate_whole(source, say)
    require_room(folder, out, device=device, taught=True)
    student = cut(load_unet(folder), remove).requires_grad_(True).to(device.name)
    settings = {
        "model": content_hash(folder / "unet", {}),
        "removed": sorted(set(remove)),
        "seed": recipe.seed,
    }
    target = Target(out, settings=settings, resume=resume)
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
