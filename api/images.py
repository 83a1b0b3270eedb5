"""A job's image over HTTP: whether it is there, and whether the client has it."""

from core.errors import ConflictError, PackshotError
from core.models import Image, Job
from core.states import OPEN_JOB

RETRY_SECONDS = 2


class GoneError(PackshotError):
    """The job ended without an image, and will have none."""

    code = "gone"
    status = 410


def ready_image(job: Job, image: Image | None) -> Image:
    """Give the job's image.

    Raises:
        ConflictError: It is not ready; the state, and when to ask again, are in the problem.
        GoneError: It never will be.
    """
    if image is not None:
        return image
    if job.state in OPEN_JOB:
        raise ConflictError(
            f"The image is not ready: its job is {job.state.value}. Ask again in a moment.",
            state=job.state.value,
            retry_after=RETRY_SECONDS,
        )
    reason = f": {job.error_message}" if job.error_message else "."
    raise GoneError(
        f"There is no image, because its job {_ENDED[job.state.value]}{reason}",
        state=job.state.value,
    )


_ENDED = {"failed": "failed", "canceled": "was cancelled", "succeeded": "lost it"}


def etag_of(image: Image) -> str:
    """Give the strong ETag: the digest of the bytes."""
    return f'"{image.digest}"'


def matches(if_none_match: str | None, image: Image) -> bool:
    """Tell whether the client has the image (RFC 9110, 13.1.2: a weak comparison)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag_of(image) in tags
