"""Quantisation-aware training: a UNet learns to be INT8, and to live with merged tokens."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional

from bundles.manifest import TokenMergingPlan
from modelkit.export.source import content_hash
from modelkit.progress import Progress
from modelkit.token_merging import merge_tokens
from modelkit.training.device import Device, require_room
from modelkit.training.fit import Loss, checkpoint_gradients, fit
from modelkit.training.models import load_unet, locate_whole, predict
from modelkit.training.quantised import (
    DESCRIPTION,
    PLACES,
    quantise,
    save_places,
    save_quantised,
    with_quantisers,
)
from modelkit.training.recipe import TrainingRecipe
from modelkit.training.record import TrainedUnet, save_record
from modelkit.training.target import TrainingFolder
from modelkit.training.teacher import TeacherCall, load_teacher

CALIBRATION_CALLS = 32
"""Their ranges go on learning, so few are enough to begin with."""


def train_quantised(
    source: Path | str,
    out: Path,
    *,
    plan: TokenMergingPlan | None,
    recipe: TrainingRecipe,
    device: Device,
    resume: bool,
    say: Progress,
    calibration_calls: int = CALIBRATION_CALLS,
) -> TrainedUnet:
    """Train an INT8 UNet, and write what `quantised.trained_unet` makes an OpenVINO model of.

    The student begins as NNCF's post-training quantisation leaves it, with its tokens merged, and
    learns to predict what the UNet in floating point predicts while that draws, row by row and
    guided (mean square errors); the rounding's gradient is passed straight through, and ranges are
    learned along. What is saved is the moving average.

    Args:
        source: A diffusers folder, or a Hub id.
        out: Folder for the trained UNet; must not exist.
        plan: Which tokens are merged, in training and in the built bundle; None merges none.
        recipe: Budget and numbers; a row of the batch is a row of the UNet.
        device: Where; mixed precision also rounds what quantisers see, about as coarsely as INT8.
        resume: Whether to go on with an interrupted training.
        say: Told of every step.
        calibration_calls: Calls of the teacher that set the quantisers' first ranges.

    Raises:
        BundleError: Something given cannot be used; the sentence says what.
    """
    plan = plan if plan and any(plan.ratios) else None
    folder = locate_whole(source, say)
    require_room(folder, out, device=device, taught=True)
    merging = plan.model_dump() if plan else None
    model = content_hash(folder / "unet", {})
    settings = {"model": model, "token merging": merging, "seed": recipe.seed}
    target = TrainingFolder(out, settings=settings, resume=resume)
    course = target.course("train the INT8 UNet", recipe, say)
    # Another seed after each interruption, or the same trajectories would begin again.
    teacher = load_teacher(folder, rows=recipe.batch, device=device, seed=recipe.seed + course.step)
    student = _merged(load_unet(folder).to(device.name), plan)
    if course.restored:
        student = with_quantisers(student, target.work / PLACES)
    else:
        say.stage("set the quantisers' ranges", None)
        student = quantise(student, list(islice(teacher.calls, calibration_calls)))
        save_places(student, target.work / PLACES)
    _make_trainable(student, recipe)
    fit(student, _loss(student, teacher.calls, device), course, recipe).copy_to(student)
    record = TrainedUnet(
        source=folder.name if Path(source).is_dir() else str(source),
        unet=model,
        token_merging=plan,
        quantisation=DESCRIPTION.model_copy(update={"samples": calibration_calls}),
        steps=course.step,
        loss=course.loss,
    )
    target.publish(partial(_write, student, record))
    return record


def _merged(unet: UNet2DConditionModel, plan: TokenMergingPlan | None) -> UNet2DConditionModel:
    if plan is not None:
        merge_tokens(unet, plan)
    return unet


def _write(student: UNet2DConditionModel, record: TrainedUnet, aside: Path) -> None:
    save_quantised(student, aside)
    save_record(record, aside)


def _make_trainable(student: UNet2DConditionModel, recipe: TrainingRecipe) -> None:
    """Make weights and ranges trainable; numbers of bits and signs are no numbers to learn."""
    for parameter in student.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    if recipe.gradient_checkpointing:
        checkpoint_gradients(student)


def _loss(student: UNet2DConditionModel, calls: Iterator[TeacherCall], device: Device) -> Loss:
    def loss(_number: int) -> torch.Tensor:
        call = next(calls)
        with device.autocast():
            predicted = predict(student, call.sample, call.timestep, call.states)
        return functional.mse_loss(predicted, call.output) + _guided_loss(call, predicted)

    return loss


def _guided_loss(call: TeacherCall, predicted: torch.Tensor) -> torch.Tensor:
    """Measure the error that guidance makes of the rows' errors.

    Guidance multiplies the difference of a slot's two rows. Merging and rounding err alike in
    both, so nearly nothing of that is multiplied; a student that learns each row for itself loses
    this (docs/decisions/0009). The squares are divided by what guidance would make of independent
    errors.
    """
    scale = call.guidance.square() + (call.guidance - 1).square()
    error = call.guided(predicted) - call.guided(call.output)
    return (error.square() / scale).mean()
