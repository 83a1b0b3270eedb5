"""Drawing for measurements: images from the first step on, and from other images' latents."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from bundles.manifest import Manifest, PromptReading
from bundles.plan import plan_for
from core.domain.approximation import kept_steps
from core.domain.lanes import Lane
from core.domain.schedulers import NOT_RESUMABLE
from core.errors import BundleError
from core.settings import Settings
from modelkit.evaluation.calibration import MeasuredPair, Pair, judge_step
from modelkit.evaluation.similarity import Pixels
from modelkit.progress import Progress
from worker.approximate.pooling import pool
from worker.engine import Engine
from worker.model import HIDDEN_STATES
from worker.pipeline import load_pipeline
from worker.rows import RowError, RowRequest, RowResult, Ticket
from worker.tokenizer import Tokenizer
from worker.walk import NOISE, Begin, Picture, Resume

AHEAD = 4
"""Batches of images that wait in the engine while one is drawn, so that it is always full."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One image to be drawn, at the bundle's defaults but for what is given."""

    prompt: str
    seed: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Other parameters that are given, by `ImageSpec`'s names."""
    begin: Begin | Picture = NOISE
    keep: tuple[int, ...] = ()


class Trial:
    """A bundle in an engine of its own, as workers with these settings run it."""

    def __init__(self, engine: Engine, manifest: Manifest, folder: Path, *, at_once: int) -> None:
        self.engine = engine
        # One of its own: the engine's is busy in the engine's thread.
        # Of a prompt of several chunks its first one stands for it here.
        weights = manifest.prompt_reading.weights
        self.end = Tokenizer(folder, reading=PromptReading(weights=weights)).end
        self._manifest = manifest
        self._at_once = at_once

    def draw(self, drawings: Iterable[Drawing]) -> Iterator[RowResult]:
        """Draw images, and return them in the order of the requests.

        Raises:
            BundleError: The bundle fails on an image.
        """
        waiting: deque[Ticket] = deque()
        try:
            for one in drawings:
                waiting.append(self.engine.submit(self._request(one)))
                if len(waiting) >= self._at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except RowError as error:
            raise BundleError(
                f"{self._manifest.name} failed on an image ({error}): build the bundle again with "
                "`packshot model build`."
            ) from error

    def embed(self, prompts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return each prompt's embedding as the index compares it: cosines are dot products."""
        asked = [(self.engine.embed(prompt), self.end(prompt)) for prompt in prompts]
        return [pool(one.result()[HIDDEN_STATES], end) for one, end in asked]

    def _request(self, one: Drawing) -> RowRequest:
        defaults = self._manifest.defaults
        return RowRequest(
            identity=uuid4(),
            spec=defaults.spec(prompt=one.prompt, seed=one.seed, **one.changes),
            lane=Lane.STANDARD,
            begin=one.begin,
            keep=one.keep,
        )


@contextmanager
def trial(folder: Path, manifest: Manifest, settings: Settings) -> Iterator[Trial]:
    """Open a bundle for measurements.

    Raises:
        BundleError: It cannot be loaded.
    """
    plan = plan_for(settings, manifest)
    pipeline = load_pipeline(folder, settings, plan)
    engine = Engine.of_one(
        pipeline,
        guidance_rescale=manifest.defaults.guidance_rescale,
        row_limit=plan.rows,
        streams=plan.streams,
    )
    engine.start()
    try:
        yield Trial(engine, manifest, folder, at_once=AHEAD * plan.rows * plan.streams)
    finally:
        engine.close()


def draw(
    folder: Path,
    manifest: Manifest,
    settings: Settings,
    prompts: Sequence[str],
    seeds: Sequence[int],
) -> Iterator[Pixels]:
    """Draw prompts with a seed each, as a worker with these settings would, at the defaults.

    Yields:
        (height, width, 3) uint8, RGB, in the order of the prompts.

    Raises:
        BundleError: The bundle cannot be loaded, or fails on a prompt.
    """
    with trial(folder, manifest, settings) as bench:
        pairs = zip(prompts, seeds, strict=True)
        drawings = (Drawing(prompt=prompt, seed=seed) for prompt, seed in pairs)
        yield from (result.image for result in bench.draw(drawings))


def measure(
    trial: Trial, manifest: Manifest, pairs: Sequence[Pair], *, first_seed: int, say: Progress
) -> list[MeasuredPair]:
    """Draw pairs at the bundle's defaults, and judge them.

    A pair's two images begin with the same noise, so that the full run can be compared with.

    Args:
        trial: The bundle in an engine.
        manifest: Its manifest.
        pairs: What is drawn.
        first_seed: Seed of the first target; the next has the next.
        say: Hears of each image.

    Raises:
        BundleError: Its schedule has nothing to spare, or it fails on an image.
    """
    steps, scheduler = kept_steps(manifest.defaults.steps), manifest.defaults.scheduler
    if scheduler in NOT_RESUMABLE or not steps:
        reason = NOT_RESUMABLE.get(scheduler, f"{manifest.defaults.steps} steps are too few")
        raise BundleError(f"{manifest.name} cannot begin with another image's latents: {reason}.")
    targets = list(dict.fromkeys(pair.target for pair in pairs))
    seeds = {target: first_seed + number for number, target in enumerate(targets)}
    full = _draw_all(
        trial,
        [Drawing(prompt=target, seed=seeds[target]) for target in targets],
        "draw the prompts from the first step on",
        say,
    )
    sources = _draw_all(
        trial,
        [Drawing(prompt=pair.source, seed=seeds[pair.target], keep=steps) for pair in pairs],
        "draw the prompts beside them",
        say,
    )
    images = {target: result.image for target, result in zip(targets, full, strict=True)}
    similarities = _similarities(trial, pairs)
    measured: list[MeasuredPair] = []
    for step in steps:
        begun = _draw_all(
            trial,
            [
                Drawing(
                    prompt=pair.target,
                    seed=seeds[pair.target],
                    begin=Resume(step=step, latents=source.kept[step]),
                )
                for pair, source in zip(pairs, sources, strict=True)
            ],
            f"go on from step {step}",
            say,
        )
        measured += judge_step(
            pairs,
            similarities,
            step,
            [result.image for result in begun],
            [images[pair.target] for pair in pairs],
        )
    return measured


def _draw_all(
    trial: Trial, drawings: Sequence[Drawing], name: str, say: Progress
) -> list[RowResult]:
    say.stage(name, len(drawings))
    results = []
    for result in trial.draw(drawings):
        results.append(result)
        say.advance()
    return results


def _similarities(trial: Trial, pairs: Sequence[Pair]) -> list[float]:
    targets = trial.embed([pair.target for pair in pairs])
    sources = trial.embed([pair.source for pair in pairs])
    return [float(one @ other) for one, other in zip(targets, sources, strict=True)]
