"""A job's image over HTTP: whether it is there, and its bytes."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from api.services import Services
from api.turns.downloads import Opened
from core.cache_metrics import Level, Outcome, count
from core.db.models import Image, Job, Rendition
from core.domain.approval import Approval
from core.domain.states import OPEN_JOB, JobState
from core.errors import ConflictError, NotFoundError, PackshotError, StoredObjectLostError
from core.lifecycle import retention
from core.lifecycle.approval import may_be_given_out
from core.links import job_path
from core.pictures.provenance import AiUse, ai_use_of, source_type_for
from core.storage import Storage
from core.stored_object import Stored

RETRY_SECONDS = 2

WHOLE_BYTES = 8 * 2**20
"""Up to this size an image is read and compared with its digest before its first byte is sent."""

logger = logging.getLogger("packshot.api")


class GoneError(PackshotError):
    """The job ended without an image, and will have none."""

    code = "gone"
    status = 410


class NotApprovedError(ConflictError):
    """The image is given out only when somebody has approved it."""

    code = "not_approved"


def ready_image(job: Job, image: Image | None) -> Image:
    """Return the job's image.

    Args:
        job: The job.
        image: Its image as `find_to_give_out` or `find_to_look_at` found it.

    Raises:
        ConflictError: It is not ready; the state, and when to ask again, are in the problem.
        NotApprovedError: It is there, but was not approved.
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
    if job.state is JobState.SUCCEEDED and job.image_id is not None and not may_be_given_out(job):
        raise _not_approved(job)
    if job.state is JobState.SUCCEEDED:
        raise GoneError(
            "The image has expired or was purged. Submit the request again.",
            state=job.state.value,
        )
    reason = f": {job.error_message}" if job.error_message else "."
    raise GoneError(
        f"There is no image, because its job {_ENDED[job.state.value]}{reason}",
        state=job.state.value,
    )


def _not_approved(job: Job) -> NotApprovedError:
    if job.approval is Approval.REJECTED:
        return NotApprovedError(
            f"The image was rejected by {job.judged_by}, and is not given out. To give it out "
            f"nevertheless, approve it with PUT {job_path(job.id)}/approval.",
            approval=job.approval.value,
        )
    return NotApprovedError(
        f"The image waits for approval. Approve it with PUT {job_path(job.id)}/approval, with a "
        "key that has the scope review.",
        approval=job.approval.value,
    )


_ENDED = {"failed": "failed", "canceled": "was cancelled"}


def ai_use_in(job: Job, image: Image | None) -> AiUse | None:
    """Return how much of a job's image a machine made; None: there is no image."""
    if image is None:
        return None
    # Without a photograph, and in older images, it is what was done that decides alone.
    marked = (image.quality or {}).get("source_type")
    return ai_use_of(marked or source_type_for(job.mode.value), job.mode.value)


def etag_of(image: Image | Rendition) -> str:
    """Return the strong ETag: the digest of the bytes."""
    return f'"{image.digest}"'


def open_image(services: Services, image: Image, headers: Mapping[str, str]) -> Opened:
    """Open an image's bytes: from this process's memory, else from S3. Hold no session meanwhile.

    A large one is sent while it is read: should it turn out to be damaged, the connection breaks
    before its end.

    Raises:
        GoneError: S3 does not have it, or has it damaged.
    """
    headers = {
        **headers,
        "Content-Type": image.content_type,
        "Content-Length": str(image.size),
    }
    body = services.results.body(image.id)
    if body is not None:
        return Opened(headers=headers, body=body)
    try:
        if image.size <= max(WHOLE_BYTES, services.results.largest):
            body = services.storage.read(image)
            services.results.keep_body(image.id, body)
            return Opened(headers=headers, body=body)
        stream = services.storage.stream(image)
    except StoredObjectLostError as error:
        raise gone(services, image, error) from error
    lost = partial(gone, services, image)
    chunks = break_if_damaged(services.storage, image, stream, lost)
    return Opened(headers=headers, chunks=chunks)


def break_if_damaged(
    storage: Storage,
    stored: Stored,
    stream: Iterator[bytes],
    lost: Callable[[StoredObjectLostError], PackshotError],
) -> Iterator[bytes]:
    """Pass an object's chunks on, and break off where it turns out to be damaged.

    Args:
        storage: Where the object is.
        stored: What is known of it.
        stream: Its chunks.
        lost: Notes that it is damaged, and makes the error.

    Raises:
        StoredObjectLostError: What came was damaged, but the object is not.
        PackshotError: What `lost` made.
    """
    try:
        yield from stream
    except StoredObjectLostError:
        try:
            # Once more, as `Storage.read` does: it may have been the wire.
            for _ in storage.stream(stored):
                pass
        except StoredObjectLostError as error:
            raise lost(error) from error
        raise


def open_presigned(services: Services, image: Image) -> Opened:
    """Redirect to a URL of the storage that needs no key. Hold no session meanwhile.

    S3 answers it, so the object is compared with its digest before; of a large one, which would
    take long, no more than that it is there and has its size.

    Raises:
        GoneError: S3 does not have it, or has it damaged.
    """
    try:
        if image.size <= WHOLE_BYTES:
            services.storage.read(image)
        else:
            services.storage.check_presence(image)
    except StoredObjectLostError as error:
        raise gone(services, image, error) from error
    url = services.storage.presign(image.key)
    return Opened(status=307, headers={"Location": url, "Cache-Control": "no-store"})


def gone(services: Services, image: Image, error: NotFoundError) -> GoneError:
    """Mark an image that S3 lost, so that the next request for it computes it; make the answer."""
    logger.warning("Image %s answers no more requests: %s", image.id, error.detail)
    count(Level.RESULT, Outcome.FALLBACK)
    # In a transaction of its own: the request's ends with an error.
    with services.database.session() as session:
        retention.lose(session, image.id)
    return GoneError(
        "The stored image was lost or damaged. Submit the request again, or retry its batch, to "
        "make it anew."
    )
