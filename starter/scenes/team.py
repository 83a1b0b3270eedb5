"""Two trainers that act as one: each core works on its own rows, and gradients are averaged.

Threads inside one process meet after every operation. When anything else runs on the machine one
of them is late, and the rest wait some thousand times a step. Processes meet once a step.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.multiprocessing.spawn import start_processes


class Team:
    """One member's view of the team."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size

    @property
    def leads(self) -> bool:
        """Whether this member logs and writes checkpoints."""
        return self.rank == 0

    def average(self, module: nn.Module, number: float) -> float:
        """Replace the module's gradients by the team's mean, and return the mean of `number`."""
        if self.size == 1:
            return number
        gradients = [parameter.grad for parameter in module.parameters()]
        present = [gradient for gradient in gradients if gradient is not None]
        flat = torch.cat([*(gradient.flatten() for gradient in present), torch.tensor([number])])
        distributed.all_reduce(flat)
        flat /= self.size
        start = 0
        for gradient in present:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()
        return float(flat[-1])


ALONE = Team(rank=0, size=1)


def run_team(size: int, folder: Path, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(team, *arguments)` in `size` processes of one thread each, and wait for them."""
    meeting = folder / "meeting"
    meeting.unlink(missing_ok=True)
    start_processes(
        _join, args=(size, str(meeting.absolute()), work, arguments), nprocs=size,
        start_method="spawn",
    )  # fmt: skip


def _join(
    rank: int, size: int, meeting: str, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=size
    )
    try:
        work(Team(rank, size), *arguments)
    finally:
        distributed.destroy_process_group()
