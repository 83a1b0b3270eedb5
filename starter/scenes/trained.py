"""A training's state: what is trained, its optimiser, its average, and their checkpoint."""

import copy
from typing import Any

import torch
from torch import nn

from modelkit.training.course import Average, Course, decayed
from modelkit.training.device import Device
from starter.scenes.team import ALONE, Team


class Trained:
    """A module, its optimiser and its average, with the checkpoint that they go on from."""

    def __init__(
        self,
        module: nn.Module,
        course: Course,
        device: Device,
        *,
        rate: float,
        average: float,
        team: Team = ALONE,
    ) -> None:
        self.module = module.to(device.name)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.course = course
        self.rate = rate
        self.team = team
        self.optimiser = torch.optim.AdamW(module.parameters(), rate, weight_decay=1e-2)
        self.average = Average(module, average)
        if course.restored:
            module.load_state_dict(course.restored["model"])
            self.optimiser.load_state_dict(course.restored["optimiser"])
            self.average.load_state_dict(course.restored["average"])

    def learn(self, loss: torch.Tensor, fraction: float) -> float:
        """Take one step along a loss; the rate follows the share of the budget that is spent.

        Returns:
            That share, as the whole team sees it.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = decayed(fraction, peak=self.rate, floor=0.02)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        share = self.team.average(self.module, fraction)
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.module)
        self.course.record(loss)
        return share

    def averaged(self) -> Any:
        """Return a copy of the module with the averaged weights, on the CPU."""
        finished = copy.deepcopy(self.module).cpu().eval()
        self.average.copy_to(finished)
        return finished

    def save(self) -> None:
        """Write the checkpoint."""
        self.course.save(
            model=self.module.state_dict(),
            optimiser=self.optimiser.state_dict(),
            average=self.average.state_dict(),
        )
