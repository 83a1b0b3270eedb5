"""A batch: how far it is, and its images as they come."""

from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Query
from fastapi.responses import Response

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant
from api.pages.page import Page, PageNow
from api.pages.route import page_router
from api.routes import batch_downloads, batches
from api.submission.retry import Retry, retry_batch
from api.views.batches import find_batch, view_batch
from api.views.cursors import Cursor
from api.views.job_lists import JobFilter, list_jobs
from api.views.remaining import remaining_seconds
from api.waiting.batch_progress import read_progress
from core.domain.states import BatchState, JobState
from core.links import WORKBENCH

AT_ONCE = 48
"""Pictures on a page."""

router = page_router(prefix=f"{WORKBENCH}/batches")

# The same files and events as behind a key.
router.get("/{batch_id}/results.csv")(batch_downloads.get_results)
router.get("/{batch_id}/results.xlsx")(batch_downloads.get_workbook)
router.get("/{batch_id}/skipped.csv")(batch_downloads.get_skipped)
router.get("/{batch_id}/manifest.jsonl")(batch_downloads.get_manifest)
router.get("/{batch_id}/images.zip")(batch_downloads.get_archive)
router.get("/{batch_id}/events")(batches.get_events)


@router.get("/{batch_id}")
def get_batch(
    batch_id: UUID,
    page: PageNow,
    tenant: Tenant,
    session: SessionNow,
    state: Annotated[JobState | None, Query()] = None,
    cursor: Cursor = None,
) -> Response:
    """Show a batch; to htmx, what moves on it."""
    found = find_batch(session, tenant, batch_id)
    reading = read_progress(session, batch_id)
    batch = view_batch(session, found)
    running = batch.state is BatchState.RUNNING
    return page.show(
        "batch_live.html" if page.is_fragment else "batch.html",
        batch=batch,
        stages=reading.progress.stages if reading else None,
        remaining=remaining_seconds(session, batch_id, found.open_jobs) if running else None,
        jobs=list_jobs(
            session, tenant, batch_id, chosen=JobFilter(state=state), cursor=cursor, limit=AT_ONCE
        ),
        state=state,
    )


@router.post("/{batch_id}/cancel")
def post_cancel(
    batch_id: UUID,
    page: PageNow,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> Response:
    """Cancel what is not finished."""
    batches.post_cancel(batch_id, caller, services, session, background)
    return _back(page, batch_id, "What was not finished is cancelled. Finished images stay.")


@router.post("/{batch_id}/retry")
def post_retry(
    batch_id: UUID, page: PageNow, caller: Submitter, services: ServicesNow, session: SessionNow
) -> Response:
    """Try the failed images again."""
    number = retry_batch(session, services, caller, batch_id, Retry())
    images = "image is" if number == 1 else "images are"
    return _back(page, batch_id, f"{number} failed {images} tried again.")


def _back(page: Page, batch_id: UUID, message: str) -> Response:
    return page.go(f"{WORKBENCH}/batches/{batch_id}", message)
