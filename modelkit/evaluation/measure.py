"""Every pair of prompts, drawn from the first step on and from each K."""

from collections.abc import Sequence

from bundles.manifest import Manifest
from core.domain.approximation import kept_steps
from core.domain.schedulers import NOT_RESUMABLE
from core.errors import BundleError
from modelkit.evaluation.calibration import Measured, judge_step
from modelkit.evaluation.pairs import Pair
from modelkit.evaluation.trial import Drawing, Trial
from modelkit.progress import Progress
from worker.rows import RowResult, Start


def measure(
    trial: Trial, manifest: Manifest, pairs: Sequence[Pair], *, first_seed: int, say: Progress
) -> list[Measured]:
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
    measured: list[Measured] = []
    for step in steps:
        begun = _draw_all(
            trial,
            [
                Drawing(
                    prompt=pair.target,
                    seed=seeds[pair.target],
                    start=Start(step=step, latents=source.kept[step]),
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
