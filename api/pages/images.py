"""An image: how it was made, what it is marked with, where it is wanted."""

from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant
from api.pages.page import PageNow
from api.pages.route import page_router
from api.routes import jobs, renditions
from api.services import Services
from api.views.detections import view_detection
from api.views.images import open_image, ready_image
from api.views.jobs import find_job, show_job
from api.views.renditions import list_renditions
from core.domain.states import OPEN_JOB
from core.links import WORKBENCH
from core.pictures.marks import Marks

router = page_router(prefix=f"{WORKBENCH}/images")

router.get("/{job_id}/renditions/{channel}")(renditions.get_rendition)


@router.get("/{job_id}")
def get_image(
    job_id: UUID, page: PageNow, tenant: Tenant, services: ServicesNow, session: SessionNow
) -> Response:
    """Show everything that is known of an image."""
    row = find_job(session, tenant, job_id)
    job, image, *_ = row
    return page.show(
        "image.html",
        job=show_job(session, row),
        open=job.state in OPEN_JOB,
        row={name: value for name, value in job.row.items() if value not in ("", None)},
        renditions=list_renditions(session, job, image, services.settings.public_url).items,
    )


@router.post("/{job_id}/cancel")
def post_cancel(
    job_id: UUID,
    page: PageNow,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> Response:
    """Stop waiting for an image."""
    jobs.post_cancel(job_id, caller, services, session, background)
    return page.go(f"{WORKBENCH}/images/{job_id}", "Nobody waits for this image any more.")


async def read_marks(job_id: UUID, tenant: Tenant, services: ServicesNow) -> Marks:
    """Read the marks in a job's stored image."""
    body = await run_in_threadpool(_stored, services, tenant, job_id)
    return await services.detections.read(tenant, body)


def _stored(services: Services, tenant: str, job_id: UUID) -> bytes:
    with services.database.reader() as session:
        job, image, *_ = find_job(session, tenant, job_id)
    opened = open_image(services, ready_image(job, image), {})
    return opened.body or b"".join(opened.chunks)


@router.get("/{job_id}/marks")
def get_marks(
    job_id: UUID,
    page: PageNow,
    tenant: Tenant,
    found: Annotated[Marks, Depends(read_marks)],
    session: SessionNow,
) -> Response:
    """Show what the stored file says of how it was made."""
    return page.show(
        "marks_fragment.html" if page.is_fragment else "marks.html",
        job_id=job_id,
        found=view_detection(session, found, tenant=tenant),
    )
