"""Guidance distillation: a UNet learns to predict in one row what guidance makes of two."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional

from core.errors import BundleError
from modelkit.export.source import Profile, content_hash, read_profile
from modelkit.progress import Progress
from modelkit.training.device import Device, require_room
from modelkit.training.fit import Loss, checkpoint_gradients, fit
from modelkit.training.models import load_unet, locate_whole, predict
from modelkit.training.recipe import TrainingRecipe
from modelkit.training.target import TrainingFolder, write_folder
from modelkit.training.teacher import Teacher, load_teacher


def bake_guidance(
    source: Path | str,
    out: Path,
    *,
    guidance_scale: float | None,
    recipe: TrainingRecipe,
    device: Device,
    resume: bool,
    say: Progress,
) -> float:
    """Teach a UNet to draw without guidance as it draws with it, and write a diffusers folder.

    The first stage of Meng et al. 2023 (arXiv 2210.03142), for one guidance scale: while the whole
    model draws its own prompts with guidance, the student learns to predict the guided output from
    the prompt's row alone. Its images take half of the UNet rows, and know no negative prompt.

    Args:
        source: A diffusers folder, or a Hub id.
        out: The new model's folder; must not exist.
        guidance_scale: What is baked in; None: the model's own.
        recipe: Budget and numbers; a row of the batch is a row of the student.
        device: Where to compute.
        resume: Whether to go on with an interrupted training.
        say: Told of every step.

    Returns:
        The scale that is baked in.

    Raises:
        BundleError: Something given cannot be used; the sentence says what.
    """
    folder = locate_whole(source, say)
    profile = read_profile(folder)
    scale = _scale(profile, guidance_scale, folder.name)
    require_room(folder, out, device=device, taught=True)
    settings = {
        "model": content_hash(folder / "unet", {}),
        "guidance scale": scale,
        "seed": recipe.seed,
    }
    target = TrainingFolder(out, settings=settings, resume=resume)
    course = target.course("train the UNet without guidance", recipe, say)
    # The teacher's calls have the empty prompt's rows too.
    teacher = load_teacher(
        folder, rows=2 * recipe.batch, device=device, seed=recipe.seed + course.step,
        guidance_scale=scale,
    )  # fmt: skip
    student = load_unet(folder).requires_grad_(True).to(device.name)
    if recipe.gradient_checkpointing:
        checkpoint_gradients(student)
    fit(student, _loss(student, teacher, device), course, recipe).copy_to(student)
    target.publish(lambda aside: write_folder(student, folder, aside, _unguided(profile)))
    return scale


def _scale(profile: Profile, given: float | None, name: str) -> float:
    scale = profile.defaults.guidance_scale if given is None else given
    if scale > 1:
        return scale
    raise BundleError(
        f"A guidance scale of {scale:g} is none: give what is to be baked in, above 1, with "
        "--guidance-scale."
        if given is not None
        else f"{name} draws without guidance: there is nothing to bake in, unless "
        "--guidance-scale says what."
    )


def _unguided(profile: Profile) -> Profile:
    """Describe the student: as its teacher, but that it draws without guidance."""
    changes = {"guidance_scale": 1.0, "guidance_start": 0.0, "guidance_end": 1.0}
    defaults = profile.defaults.model_copy(update=changes | {"guidance_rescale": 0.0})
    return profile.model_copy(update={"defaults": defaults})


def _loss(student: UNet2DConditionModel, teacher: Teacher, device: Device) -> Loss:
    def loss(_number: int) -> torch.Tensor:
        call = next(teacher.calls)
        slots = len(call.guidance)
        with device.autocast():
            predicted = predict(
                student, call.sample[:slots], call.timestep[:slots], call.states[:slots]
            )
        return functional.mse_loss(predicted, call.guided(call.output))

    return loss
