"""Images that nobody gets, counted by whoever gives them up: a worker, or the sweeper.

Apart from a worker's other counts, because housekeeping has none of those.
"""

from prometheus_client import Counter

from core.errors import (
    DeadlineExceededError,
    GenerationFailedError,
    GenerationImpossibleError,
    InsufficientMemoryError,
    PackshotError,
    WorkerLostError,
)

FAILED_IMAGES = Counter(
    "packshot_failed_images",
    "Images that this process gave up, by error code. One that others still wait for when the "
    "deadline of some has passed is not among them.",
    ["error_code"],
)

for _error in (
    DeadlineExceededError,
    GenerationFailedError,
    GenerationImpossibleError,
    InsufficientMemoryError,
    WorkerLostError,
):
    # There from the start: what never happened is 0 for an alert, and not unknown.
    FAILED_IMAGES.labels(_error.code)


def count_failed(error: type[PackshotError], images: int = 1) -> None:
    """Count images that were given up. Call it after the commit: what is undone did not fail."""
    FAILED_IMAGES.labels(error.code).inc(images)
