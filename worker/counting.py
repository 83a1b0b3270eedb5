"""What is counted of an image that was made and recorded."""

from core.cache_metrics import Level, Outcome, count
from core.lifecycle.claims import Claim
from worker.metrics import IMAGE_LATENCY_SECONDS, IMAGE_SECONDS
from worker.pictures import MadeImage
from worker.rows import RowResult


def count_made(claim: Claim, made: MadeImage, jobs: int) -> None:
    """Count a recorded image.

    Args:
        claim: What it was made for.
        made: It.
        jobs: How many got it.
    """
    _count_joined(claim, jobs, made.seconds)
    IMAGE_SECONDS.labels(lane=claim.lane.value).observe(made.seconds)
    if made.row:
        _count_features(made.row)
        IMAGE_LATENCY_SECONDS.labels(lane=claim.lane.value).observe(made.row.latency_seconds)


def _count_joined(claim: Claim, jobs: int, seconds: float) -> None:
    """Count what those were spared who joined; that they did was counted when they came."""
    others = max(0, jobs - 1)
    count(
        Level.IN_FLIGHT,
        Outcome.HIT,
        number=0,
        steps_saved=others * claim.spec.steps,
        seconds_saved=others * seconds,
    )


def _count_features(result: RowResult) -> None:
    """Count the steps that took features of earlier ones, beside the whole ones of that image."""
    if result.cheap_steps:
        whole = result.steps - result.cheap_steps
        count(Level.FEATURES, Outcome.MISS, number=whole)
        count(
            Level.FEATURES,
            Outcome.HIT,
            number=result.cheap_steps,
            steps_saved=result.steps_saved,
        )
