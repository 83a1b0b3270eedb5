"""What a client gets in the end: its images, or why there are none."""

import base64
import json
from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.middleware.disconnect import answering, while_connected
from api.openai.errors import AskedImagesFailedError, ImagesImpossibleError, ImagesNotReadyError
from api.openai.schemas import Answering, ImageData, ImagesDocument
from api.services import Services
from api.turns.downloads import DownloadResponse, Opened
from api.views.images import gone, open_image, ready_image
from api.views.jobs import find_to_give_out
from core.db.models import Image, Job
from core.domain.states import JobState
from core.errors import StoredObjectLostError
from core.failure_codes import RETRY_HELPS
from core.links import job_path
from core.pictures.formats import Format


class ImagesResponse(Response):
    """An answer that is written when its jobs have ended; its route's transaction is over then."""

    def __init__(
        self,
        services: Services,
        tenant: str,
        asked: Answering,
        *,
        before: BackgroundTask | None,
        headers: Mapping[str, str],
        finally_: Callable[[], None],
    ) -> None:
        """Prepare it.

        Args:
            services: The process's clients.
            tenant: Whose jobs they are.
            asked: What is waited for.
            before: What follows the commit: without it no worker begins.
            headers: Of the answer.
            finally_: Called when it is sent, or nobody is there to whom it could be.
        """
        super().__init__()
        self._services = services
        self._tenant = tenant
        self._asked = asked
        self._before = before
        self._added = headers
        self._finally = finally_

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            if self._before is not None:
                await self._before()
            async with answering(scope, receive, send) as answer:
                await while_connected(receive, self._wait(), answer)
                await self._opened()(scope, receive, answer)
        finally:
            self._finally()

    async def _wait(self) -> None:
        seconds = self._services.settings.openai_wait_seconds
        if not await self._services.end_watch.wait(self._asked.jobs, seconds=seconds):
            raise _not_ready(self._asked.jobs, seconds)

    def _opened(self) -> DownloadResponse:
        downloads = self._services.downloads
        open_ = partial(open_images, self._services, self._tenant, self._asked, self._added)
        return DownloadResponse(downloads, downloads.images, self._tenant, open_)


def _not_ready(jobs: list[UUID], seconds: float) -> ImagesNotReadyError:
    paths = ", ".join(f"GET {job_path(job)}" for job in jobs)
    return ImagesNotReadyError(
        f"The images were not ready within {seconds:g} seconds (PACKSHOT_OPENAI_WAIT_SECONDS). "
        f"They are still made: ask {paths} until its `state` is succeeded, and then for /image "
        "beneath it; or send the same request again later, which makes nothing twice.",
        jobs=[str(job) for job in jobs],
    )


def open_images(
    services: Services, tenant: str, asked: Answering, headers: Mapping[str, str]
) -> Opened:
    """Read images and write the answer. Hold no session meanwhile.

    Raises:
        AskedImagesFailedError: One of them could not be made, and may be when it is tried again.
        ImagesImpossibleError: One of them cannot be made.
        NotApprovedError: One of them was rejected.
        GoneError: One of them was cancelled, has expired, or was lost in S3.
        NotFoundError: Its job was deleted.
    """
    found = []
    with services.database.reader() as session:
        for identity in asked.jobs:
            job, image, *_ = find_to_give_out(session, tenant, identity)
            found.append((job, _image_of(job, image)))
    document = ImagesDocument(
        created=int(found[0][0].created_at.timestamp()),
        data=[_data(services, job, image, asked) for job, image in found],
        background=asked.background,
        output_format=asked.output_format,
        size=f"{found[0][1].width}x{found[0][1].height}",
    )
    body = json.dumps(document.model_dump(mode="json", exclude_none=True)).encode()
    return Opened(
        headers={
            **headers,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        },
        body=body,
    )


def _image_of(job: Job, image: Image | None) -> Image:
    if job.state is JobState.FAILED and job.error_code is not None:
        kind = AskedImagesFailedError if RETRY_HELPS.get(job.error_code) else ImagesImpossibleError
        raise kind(
            f"There is no image: {job.error_message or job.error_code}",
            failure=job.error_code,
            jobs=[str(job.id)],
        )
    return ready_image(job, image)


def _data(services: Services, job: Job, image: Image, asked: Answering) -> ImageData:
    try:
        if asked.as_url:
            services.storage.check_presence(image)
            return ImageData(url=services.storage.presign(image.key), job=job.id)
    except StoredObjectLostError as error:
        raise gone(services, image, error) from error
    opened = open_image(services, image, {})
    body = opened.body or b"".join(opened.chunks)
    if asked.output_format is not Format.PNG:
        body = services.renditions.convert(
            body, asked.output_format, quality=asked.output_compression
        )
    return ImageData(b64_json=base64.b64encode(body).decode(), job=job.id)
