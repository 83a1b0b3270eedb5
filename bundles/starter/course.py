"""What every training shares: a wall-clock budget, a log, checkpoints and averaged weights."""

import logging
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(message)s"


class Average:
    """Exponential moving average of a module's parameters, in FP32."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = [parameter.detach().clone() for parameter in module.parameters()]
        self.updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module; early on faster, so that random weights are forgotten."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.values, list(module.parameters()), 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Overwrite the module's parameters with the averages."""
        for parameter, value in zip(module.parameters(), self.values, strict=True):
            parameter.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return {"values": self.values, "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved average."""
        self.values, self.updates = list(state["values"]), int(state["updates"])


class Course:
    """A training that ends when its minutes are spent, over any number of restarts.

    Iterating yields the share of the budget that is spent, 0 to 1: learning rates follow it, so
    that they have decayed when the time is over, however fast the machine is.
    """

    def __init__(
        self, name: str, checkpoint: Path, *, minutes: float, resume: bool, endless: bool = False
    ) -> None:
        self.name = name
        self.checkpoint = checkpoint
        self.budget = minutes * 60
        self.endless = endless
        """Whether the caller breaks the loop: a team stops together, whatever its clocks say."""
        self.spent = 0.0
        self.step = 0
        self.loss = 0.0
        self.restored: dict[str, Any] | None = None
        if resume and checkpoint.exists():
            self.restored = torch.load(checkpoint, weights_only=True)
            self.spent = float(self.restored["spent"])
            self.step = int(self.restored["step"])

    def __iter__(self) -> Iterator[float]:
        logged, logged_step = time.monotonic(), self.step
        while self.endless or self.spent < self.budget:
            begun = time.monotonic()
            yield self.spent / self.budget
            self.step += 1
            now = time.monotonic()
            self.spent += now - begun
            if now - logged >= 20:
                rate = (self.step - logged_step) / (now - logged)
                logger.info(
                    "%s step %d loss %.4f %.2f it/s ETA %.1f min",
                    self.name, self.step, self.loss, rate, (self.budget - self.spent) / 60,
                )  # fmt: skip
                logged, logged_step = now, self.step

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
