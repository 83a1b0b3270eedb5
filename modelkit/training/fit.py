"""The one training loop: step, average, checkpoint, until the budget is spent."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from nncf.torch.function_hook.hook_executor_mode import FunctionHookMode
from torch import nn
from torch.utils.checkpoint import checkpoint

from core.errors import BundleError
from modelkit.training.course import Average, Course, decayed
from modelkit.training.recipe import TrainingRecipe


def checkpoint_gradients(unet: UNet2DConditionModel) -> None:
    """Make a UNet, quantised or not, compute its blocks' activations again on the way back.

    A third more time for a fraction of the memory (Chen et al., 2016, arXiv 1604.06174).

    NNCF quantises inside a `FunctionHookMode`, which finds the quantiser of an operation by the
    modules that are being called and by how often each operation was called before. A checkpointed
    block is computed again outside of that mode: without help it would come out unquantised.
    """
    unet.enable_gradient_checkpointing(_checkpointed)


def _checkpointed(module: nn.Module, *arguments: Any) -> Any:
    # Module.__call__, not the module: what the mode wraps is looked up when the call is made.
    return checkpoint(
        module.__call__, *arguments, use_reentrant=False, context_fn=_first_and_second_time
    )


def _first_and_second_time() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    mode = _active_mode()
    if mode is None:
        return nullcontext(), nullcontext()
    return nullcontext(), _as_before(mode, list(mode.module_call_stack), dict(mode.op_calls))


def _active_mode() -> FunctionHookMode | None:
    for mode in reversed(torch.overrides._get_current_function_mode_stack()):
        if isinstance(mode, FunctionHookMode):
            return mode
    return None


@contextmanager
def _as_before(
    mode: FunctionHookMode, called: list[nn.Module], counts: dict[str, int]
) -> Iterator[None]:
    """Restore the mode as it was when the block was computed first."""
    again = FunctionHookMode(model=mode.model, hook_storage=mode.hook_storage)
    with again:
        again.module_call_stack = called
        again.op_calls.update(counts)
        yield


CHECKPOINT_SECONDS = 300.0
"""How much work a crash costs at most; an interrupt costs none."""
LOG_STEPS = 10
FLOOR = 0.02
"""The learning rate's share that is left in the end."""

Loss = Callable[[int], torch.Tensor]
"""Makes the loss of one forward pass; is told the pass's number, counted from 0 over restarts."""


def fit(module: nn.Module, loss: Loss, course: Course, recipe: TrainingRecipe) -> Average:
    """Train a module's parameters, with AdamW, on a loss, for the whole of a course.

    Continues from `course.restored`. A checkpoint is written every five minutes, at the end, and
    when Ctrl-C is pressed; losses go to log.jsonl beside it. Gradients are clipped to norm 1.

    Args:
        module: Trained in place, on the device where it is.
        loss: Called `recipe.accumulate` times a step.
        course: The budget, and where checkpoints go.
        recipe: The step's size and the average's decay.

    Returns:
        The moving average of the parameters; `copy_to` puts it into the module.

    Raises:
        KeyboardInterrupt: Somebody pressed Ctrl-C; the checkpoint is written.
        BundleError: The loss is not finite: the learning rate is too high.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, recipe.learning_rate, weight_decay=recipe.weight_decay)
    average = Average(module, recipe.average_decay)
    _restore(course, module, optimiser, average)
    log = _Log(course)
    saved = time.monotonic()
    with _interruptible() as interrupted:
        for fraction in course:
            # Before the step, because the one before is counted only now.
            if interrupted.is_set():
                break
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _save(course, module, optimiser, average)
                saved = time.monotonic()
            _step(module, trained, optimiser, loss, course, recipe, fraction)
            average.update(module)
            log.write(optimiser)
    _save(course, module, optimiser, average)
    if interrupted.is_set():
        raise KeyboardInterrupt
    return average


def _step(
    module: nn.Module,
    trained: list[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    loss: Loss,
    course: Course,
    recipe: TrainingRecipe,
    fraction: float,
) -> None:
    module.train()
    for group in optimiser.param_groups:
        group["lr"] = decayed(fraction, peak=recipe.learning_rate, floor=FLOOR)
    optimiser.zero_grad(set_to_none=True)
    total = torch.zeros(())
    for turn in range(recipe.accumulate):
        part = loss(course.step * recipe.accumulate + turn) / recipe.accumulate
        part.backward()
        total += part.detach().cpu()
    try:
        course.record(total)
    except FloatingPointError as error:
        raise BundleError(f"{error}. Begin again with a smaller learning rate.") from error
    nn.utils.clip_grad_norm_(trained, 1.0)
    optimiser.step()


def _restore(
    course: Course, module: nn.Module, optimiser: torch.optim.Optimizer, average: Average
) -> None:
    if course.restored is None:
        return
    module.load_state_dict(course.restored["model"])
    optimiser.load_state_dict(course.restored["optimiser"])
    average.load_state_dict(course.restored["average"])
    # Three copies of the weights that nobody needs any more.
    course.restored = None


def _save(
    course: Course, module: nn.Module, optimiser: torch.optim.Optimizer, average: Average
) -> None:
    course.save(
        model=module.state_dict(),
        optimiser=optimiser.state_dict(),
        average=average.state_dict(),
    )


class _Log:
    """A line of JSON now and then, for whoever wants to see the loss fall."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._path: Path = course.checkpoint.with_name("log.jsonl")

    def write(self, optimiser: torch.optim.Optimizer) -> None:
        """Write the step that was just made, if it is its turn."""
        course = self._course
        if course.step % LOG_STEPS:
            return
        line: dict[str, Any] = {
            "step": course.step,
            "seconds": round(course.spent, 1),
            "loss": course.loss,
            "learning_rate": optimiser.param_groups[0]["lr"],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag, so that no step is cut in two; the second one ends."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
