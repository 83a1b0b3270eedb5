"""Trains the network that cuts products out: `python -m starter.cutout.train --out DIR`.

Objects, backdrops and the photographs made of them are drawn here; only objects of the part that is
for tuning are learned from. `--resume` goes on from the checkpoint in DIR. Photographs
are small at first, and as large as in use in the end. At the end DIR has `network.pt`.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from modelkit.training.course import LOG_FORMAT, Average, Course, decayed
from starter.cutout.backdrops import draw_backdrops
from starter.cutout.kinds import objects_of
from starter.cutout.layers import draw_layers
from starter.cutout.network import CutoutNetwork, segmentation_loss
from starter.cutout.normalising import LAYOUT, as_input
from starter.cutout.samples import Pool
from starter.scenes.objects import FOLDER

logger = logging.getLogger(__name__)

LAYERS, BACKDROPS = 1600, 1200
BATCH, RATE, AVERAGE = 8, 3e-3, 0.99
SIDES = ((0.0, 128), (0.65, 192))
"""From which share of the budget on photographs have which side: small ones teach what a product is
at a quarter of the time."""
CHECKPOINT_STEPS = 100
CHECKS = 96

Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs, (N, 3, side, side), and alpha, (N, 1, side, side) in [0, 1]."""


class Photographs(Dataset[Batch]):
    """Batches by number; each depends on the seed and its number alone."""

    def __init__(self, folder: Path, *, seed: int, side: int, start: int = 0) -> None:
        self.folder, self.seed, self.side, self.start = folder, seed, side, start
        self.pool: Pool | None = None

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, number: int) -> Batch:
        # Mapped by the process that reads it, which did not inherit it.
        self.pool = self.pool or open_pool(self.folder)
        rng = np.random.default_rng((self.seed, self.start + number))
        samples = [self.pool.photograph(rng, self.side) for _ in range(BATCH)]
        alpha = np.stack([one.alpha for one in samples])[:, None].astype(np.float32) / 255
        return as_input(np.stack([one.pixels for one in samples])), torch.from_numpy(alpha)


def draw_pool(folder: Path, objects: Path, layers: int, backdrops: int) -> None:
    """Draw layers and backdrops into a folder, unless they are there."""
    for name, count in (("backdrops", backdrops), ("layers", layers)):
        file = folder / f"{name}.npy"
        if file.exists():
            continue
        logger.info("drawing %d %s", count, name)
        files = objects_of(objects, "tune")
        drawn = draw_backdrops(count, 1) if name == "backdrops" else draw_layers(files, count, 2)
        np.save(file.with_suffix(".new.npy"), drawn)
        file.with_suffix(".new.npy").rename(file)


def open_pool(folder: Path) -> Pool:
    """Map what `draw_pool` left."""
    return Pool(
        layers=np.load(folder / "layers.npy", mmap_mode="r"),
        backdrops=np.load(folder / "backdrops.npy", mmap_mode="r"),
    )


class CutoutTraining:
    """The network, its optimiser and its average, with the checkpoint that they go on from."""

    def __init__(self, folder: Path, course: Course) -> None:
        self.folder, self.course = folder, course
        self.network = CutoutNetwork()
        nn.utils.convert_conv2d_weight_memory_format(self.network, torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=0.02)
        self.average = Average(self.network, AVERAGE)
        if course.restored:
            self.network.load_state_dict(course.restored["model"])
            self.optimiser.load_state_dict(course.restored["optimiser"])
            self.average.load_state_dict(course.restored["average"])

    def run(self, workers: int) -> None:
        """Train until the budget is spent."""
        side, batches = 0, iter(list[Batch]())
        for fraction in self.course:
            wanted = max(side for start, side in SIDES if fraction >= start)
            if wanted != side:
                side, batches = wanted, self._batches(workers, wanted)
            self._learn(*next(batches), fraction)
            if self.course.step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1:
                self.save()
        self.save()

    def _batches(self, workers: int, side: int) -> Iterator[Batch]:
        photographs = Photographs(self.folder, seed=3, side=side, start=self.course.step)
        return iter(
            DataLoader(
                photographs, batch_size=None, num_workers=workers,
                multiprocessing_context="spawn" if workers else None,
            )
        )  # fmt: skip

    def _learn(self, inputs: torch.Tensor, alpha: torch.Tensor, fraction: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = decayed(fraction, peak=RATE, floor=0.01, warm_up=0.02)
        found = self.network.all_logits(inputs.to(memory_format=torch.channels_last))
        loss = segmentation_loss(found, alpha)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.average.update(self.network)
        self.course.record(loss)

    def save(self) -> None:
        """Write the checkpoint."""
        self.course.save(
            model=self.network.state_dict(),
            optimiser=self.optimiser.state_dict(),
            average=self.average.state_dict(),
        )


def averaged(folder: Path) -> CutoutNetwork:
    """Return the averaged network of a checkpoint, with statistics of its own."""
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = CutoutNetwork()
    network.load_state_dict(state["model"])
    average = Average(network, AVERAGE)
    average.load_state_dict(state["average"])
    average.copy_to(network)
    _measure_statistics(network, Photographs(folder, seed=4, side=LAYOUT.side))
    return network.eval()


@torch.no_grad()
def _measure_statistics(network: nn.Module, photographs: Photographs, batches: int = 24) -> None:
    """Measure what batch normalisation keeps: the averaged weights have never seen a batch."""
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    for number in range(batches):
        network(photographs[number][0])


@torch.no_grad()
def mean_overlap(network: nn.Module, photographs: Photographs) -> float:
    """Return the mean IoU over fresh photographs of the objects that were learned from."""
    overlaps: list[float] = []
    for number in range(CHECKS // BATCH):
        inputs, alpha = photographs[number]
        product, found = alpha > 0.5, network(inputs) > 0
        common, either = (product & found).sum((1, 2, 3)), (product | found).sum((1, 2, 3))
        overlaps += (common / either.clamp(min=1)).tolist()
    return float(np.mean(overlaps))


def main() -> None:
    """Train, and leave the averaged network."""
    parser = argparse.ArgumentParser(prog="python -m starter.cutout.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and pool")
    parser.add_argument("--objects", type=Path, default=FOLDER, help="rendered objects with alpha")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--backdrops", type=int, default=BACKDROPS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    torch.set_num_threads(options.threads)
    torch.manual_seed(5)
    options.out.mkdir(parents=True, exist_ok=True)
    draw_pool(options.out, options.objects, options.layers, options.backdrops)
    course = Course(
        "cutout", options.out / "checkpoint.pt", minutes=options.minutes, resume=options.resume
    )
    CutoutTraining(options.out, course).run(options.workers)
    network = averaged(options.out)
    torch.save(network.state_dict(), options.out / "network.pt")
    checks = Photographs(options.out, seed=6, side=LAYOUT.side)
    logger.info("done: IoU %.4f", mean_overlap(network, checks))


if __name__ == "__main__":
    main()
