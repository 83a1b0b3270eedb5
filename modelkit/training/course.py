"""What every training shares: a budget, a log, checkpoints and averaged weights."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modelkit.progress import Progress, Silent

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(message)s"


class Average:
    """Exponential moving average of a module's parameters, in FP32 and in main memory."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = [value.float().cpu().clone() for value in _floating(module)]
        self.updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module; early on faster, so that random weights are forgotten."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        present = [value.to("cpu", torch.float32) for value in _floating(module)]
        torch._foreach_lerp_(self.values, present, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Overwrite the module's parameters with the averages."""
        for parameter, value in zip(_floating(module), self.values, strict=True):
            parameter.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return {"values": self.values, "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved average."""
        self.values, self.updates = list(state["values"]), int(state["updates"])


def _floating(module: nn.Module) -> list[torch.Tensor]:
    """Return the parameters that can be averaged; a quantiser's number of bits cannot."""
    found = [parameter.detach() for parameter in module.parameters()]
    return [value for value in found if value.is_floating_point()]


class Course:
    """A training that ends when its minutes or steps are spent, over any number of restarts.

    Iterating yields the share of the budget that is spent, 0 to 1: learning rates follow it, so
    that they have decayed when the time is over, however fast the machine is.
    """

    def __init__(
        self,
        name: str,
        checkpoint: Path,
        *,
        minutes: float | None = None,
        steps: int | None = None,
        resume: bool,
        endless: bool = False,
        clock: Callable[[], float] = time.monotonic,
        say: Progress | None = None,
    ) -> None:
        """Read the checkpoint, if `resume` and there is one.

        Args:
            name: What is trained; heads the log's lines and the progress bar.
            checkpoint: Where `save` writes.
            minutes: The budget on the clock; without it, `steps` is.
            steps: The budget in steps.
            resume: Whether to go on from the checkpoint.
            endless: Whether the caller breaks the loop: a team stops together, whatever its clocks
                say.
            clock: Seconds; `time.thread_time` spends nothing while the process is stopped or waits
                for a busy machine.
            say: Told of every step, or of every second if the budget is one of time.
        """
        if (minutes is None) == (steps is None):
            raise ValueError("give the budget either in minutes or in steps")
        self.name = name
        self.checkpoint = checkpoint
        self.budget = minutes * 60 if minutes is not None else None
        """Seconds, where time is the budget."""
        self.steps = steps
        self.endless = endless
        self._clock = clock
        self.spent = 0.0
        self.step = 0
        self.loss = 0.0
        self.restored: dict[str, Any] | None = None
        self._say = say or Silent()
        self._said = 0
        if resume and checkpoint.exists():
            self.restored = torch.load(checkpoint, map_location="cpu", weights_only=True)
            self.spent = float(self.restored["spent"])
            self.step = int(self.restored["step"])

    @property
    def fraction(self) -> float:
        """The share of the budget that is spent."""
        if self.budget is not None:
            return self.spent / self.budget
        return self.step / (self.steps or 1)

    def __iter__(self) -> Iterator[float]:
        self._say.stage(self.name, round(self.budget or self.steps or 0))
        self._tell()
        logged, logged_step = time.monotonic(), self.step
        while self.endless or self.fraction < 1:
            begun = self._clock()
            yield self.fraction
            self.step += 1
            self.spent += self._clock() - begun
            now = time.monotonic()
            self._tell()
            if now - logged >= 20:
                self._log((self.step - logged_step) / (now - logged))
                logged, logged_step = now, self.step

    def _log(self, rate: float) -> None:
        """Write a line; `rate` is in steps per second."""
        if self.budget is not None:
            left = self.budget - self.spent
        else:
            left = ((self.steps or 0) - self.step) / rate if rate else 0.0
        logger.info(
            "%s step %d loss %.4f %.2f it/s ETA %.1f min",
            self.name, self.step, self.loss, rate, left / 60,
        )  # fmt: skip

    def _tell(self) -> None:
        """Advance the progress bar to what is spent, also by the run that is resumed."""
        done = int(self.spent) if self.budget is not None else self.step
        if done > self._said:
            self._say.advance(done - self._said)
            self._said = done

    def record(self, loss: torch.Tensor) -> None:
        """Smooth the loss for the log; a loss that is not finite stops the training."""
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"{self.name}: the loss is {value} at step {self.step}")
        self.loss = value if self.loss == 0 else 0.98 * self.loss + 0.02 * value

    def save(self, **state: Any) -> None:
        """Write a checkpoint aside and rename it, so that a crash leaves the old or the new."""
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        aside = self.checkpoint.with_suffix(".new")
        torch.save({"spent": self.spent, "step": self.step, **state}, aside)
        os.replace(aside, self.checkpoint)


def decayed(fraction: float, *, peak: float, floor: float, warm_up: float = 0.01) -> float:
    """Return a learning rate: linear warm-up, then a cosine from `peak` down to `peak * floor`."""
    if fraction < warm_up:
        return peak * (0.05 + 0.95 * fraction / warm_up)
    turn = math.pi * (fraction - warm_up) / (1 - warm_up)
    return peak * (floor + (1 - floor) * (1 + math.cos(turn)) / 2)
