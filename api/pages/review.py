"""Review: a batch's images in a grid, approved and rejected by hand."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Form, Query
from fastapi.responses import Response
from pydantic import AwareDatetime
from sqlalchemy import select
from sqlmodel import Session, col

from api.dependencies import Judge, ServicesNow, SessionNow, Submitter
from api.pages.page import Page, PageNow
from api.pages.review_view import LONGEST_SKU, ReviewForm, Shown, by_row
from api.pages.route import page_router
from api.schemas.approvals import JudgementsRequest, SeenJob
from api.schemas.redo import RedoRequest
from api.submission.judging import judge_batch, reviewer
from api.submission.publish import follow_up
from api.submission.redo import redo_chosen
from api.views.batches import find_batch, view_batch
from api.views.cursors import Cursor
from api.views.job_lists import list_jobs
from catalogue.checks import LONGEST_PROMPT
from core.db.arrays import among
from core.db.clock import transaction_time
from core.db.models import Job
from core.domain.approval import Approval
from core.errors import ConflictError, InvalidRequestError
from core.lifecycle.picking import pick, take_back
from core.links import WORKBENCH

AT_ONCE = 48
"""Pictures on a page."""

CHOOSE = "Choose some images first."

FormNow = Annotated[ReviewForm, Depends()]

router = page_router(prefix=f"{WORKBENCH}/batches")


@router.get("/{batch_id}/review")
def get_review(
    batch_id: UUID,
    page: PageNow,
    caller: Judge,
    session: SessionNow,
    show: Annotated[Shown, Query()] = Shown.PENDING,
    sku: Annotated[str, Query(max_length=LONGEST_SKU)] = "",
    before: Annotated[bool, Query()] = False,
    undo: Annotated[AwareDatetime | None, Query()] = None,
    cursor: Cursor = None,
) -> Response:
    """Show images of a batch to be judged."""
    batch = view_batch(session, find_batch(session, caller.tenant, batch_id))
    sku = sku.strip()
    jobs = list_jobs(
        *(session, caller.tenant, batch_id),
        chosen=show.filter(sku),
        cursor=cursor,
        limit=AT_ONCE,
        whole_rows=True,
    )
    return page.show(
        "review.html",
        batch=batch,
        rows=by_row(jobs.items),
        next=jobs.next,
        show=show.value,
        sku=sku,
        before=before,
        undo=undo,
        cursor=cursor or "",
    )


@router.post("/{batch_id}/review")
def post_review(
    batch_id: UUID,
    page: PageNow,
    caller: Judge,
    session: SessionNow,
    form: FormNow,
    state: Annotated[Approval, Form()],
    chosen: Annotated[list[str] | None, Form()] = None,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Judge the chosen images; to a script, refuse what somebody else has judged meanwhile."""
    if not chosen:
        return page.go(form.path(batch_id), CHOOSE)
    request = JudgementsRequest(
        state=state, reason=reason.strip() or None, jobs=[_seen(one) for one in chosen]
    )
    done = judge_batch(session, caller, batch_id, request)
    message = _counted(done.changed + done.unchanged, _SAID[state])
    if done.conflicts:
        names = ", ".join(sorted({one.approval.by or "somebody" for one in done.conflicts}))
        message += f" {len(done.conflicts)} left as {names} judged them meanwhile."
        if page.is_fragment:
            raise ConflictError(message)
    return _back(page, session, form, batch_id, message, can_undo=done.changed > 0)


@router.post("/{batch_id}/review/pick")
def post_pick(
    batch_id: UUID,
    page: PageNow,
    caller: Judge,
    session: SessionNow,
    form: FormNow,
    picked: Annotated[str, Form()],
) -> Response:
    """Approve one of a row's images, and reject the others: all of that, or nothing."""
    find_batch(session, caller.tenant, batch_id)
    seen = {one.id: one.version for one in map(_seen, picked.split(","))}
    job_id = next(iter(seen))
    done = pick(session, caller.tenant, batch_id, job_id, seen=seen, by=reviewer(caller))
    if done.conflicts:
        raise ConflictError(
            f"{_who_judged(session, done.conflicts)} judged images of this row meanwhile. Look at "
            "them again, then pick."
        )
    if done.missing or done.without_image:
        raise ConflictError("The image is not there any more. Load the page again.")
    rejected = len(done.changed) - (job_id in done.changed)
    message = f"Picked. {_counted(rejected, 'of the same row rejected')}"
    return _back(page, session, form, batch_id, message, can_undo=bool(done.changed))


@router.post("/{batch_id}/review/undo")
def post_undo(
    batch_id: UUID,
    page: PageNow,
    caller: Judge,
    session: SessionNow,
    form: FormNow,
    said_at: Annotated[AwareDatetime, Form()],
) -> Response:
    """Take back one judgement or pick of whoever is signed in."""
    find_batch(session, caller.tenant, batch_id)
    done = take_back(session, caller.tenant, batch_id, said_at=said_at, by=reviewer(caller))
    message = _counted(len(done.changed), "taken back")
    left = [*done.conflicts, *done.without_image]
    if left:
        message += f" {len(left)} left: {_who_judged(session, left)} judged them since."
        if page.is_fragment:
            raise ConflictError(message)
    return page.go(form.path(batch_id), message)


@router.post("/{batch_id}/review/redo")
def post_redo(
    batch_id: UUID,
    page: PageNow,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
    form: FormNow,
    chosen: Annotated[list[str] | None, Form()] = None,
    prompt: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
) -> Response:
    """Make the chosen images again, with another seed, and another prompt if one is given."""
    request = RedoRequest(prompt=prompt.strip() or None)
    jobs = [_seen(one).id for one in chosen or ()]
    context, submission = redo_chosen(session, services, caller, batch_id, jobs, request)
    number = len(submission.job_ids)
    background.add_task(follow_up, services, context, submission, batch=str(batch_id))
    message = "1 image is made again." if number == 1 else f"{number} images are made again."
    return page.go(form.path(batch_id), message if jobs else CHOOSE)


def _back(
    page: Page,
    session: Session,
    form: ReviewForm,
    batch_id: UUID,
    message: str,
    *,
    can_undo: bool,
) -> Response:
    """Lead back, from where what was said now can be taken back; a script has said it itself."""
    said_at = transaction_time(session) if can_undo else None
    path = form.path(batch_id, said_at=said_at)
    return page.go(path, None if page.is_fragment else message)


def _counted(number: int, said: str) -> str:
    return f"1 image {said}." if number == 1 else f"{number} images {said}."


def _who_judged(session: Session, job_ids: Sequence[UUID]) -> str:
    named = select(col(Job.judged_by)).where(among(Job.id, job_ids))
    found = session.execute(named).scalars()
    return ", ".join(sorted({one for one in found if one})) or "Somebody"


_SAID = {
    Approval.APPROVED: "approved",
    Approval.REJECTED: "rejected",
    Approval.PENDING: "wait for a judgement again",
}


def _seen(text: str) -> SeenJob:
    """Read `id version`, as the page's boxes hold it.

    Raises:
        InvalidRequestError: It is not that.
    """
    job_id, _, version = text.partition(" ")
    try:
        return SeenJob(id=UUID(job_id), version=int(version))
    except ValueError as error:
        raise InvalidRequestError("Load the page again, and choose the images anew.") from error
