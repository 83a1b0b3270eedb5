"""Review: a batch's images in a grid, approved and rejected by hand."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import BackgroundTasks, Form, Query
from fastapi.responses import Response
from sqlmodel import Session

from api.dependencies import Judge, ServicesNow, SessionNow, Submitter
from api.pages.page import PageNow
from api.pages.route import page_router
from api.schemas.approvals import JudgementsRequest, SeenJob
from api.schemas.redo import RedoRequest
from api.submission.judging import judge_batch
from api.submission.publish import follow_up
from api.submission.redo import redo_chosen
from api.views.batches import find_batch, view_batch
from api.views.cursors import Cursor
from api.views.job_lists import JobFilter, list_jobs
from catalogue.checks import LONGEST_PROMPT
from core.db.models import ApiKey
from core.domain.approval import Approval
from core.domain.states import JobState
from core.errors import ConflictError, InvalidRequestError
from core.links import WORKBENCH

AT_ONCE = 48
"""Pictures on a page."""

router = page_router(prefix=f"{WORKBENCH}/batches")


class Shown(StrEnum):
    """Which images the page shows."""

    PENDING = "pending"
    LOOK = "look"
    """Those that wait and that somebody should look at."""
    APPROVED = "approved"
    REJECTED = "rejected"

    @property
    def filter(self) -> JobFilter:
        """What holds of their jobs."""
        if self is Shown.LOOK:
            return JobFilter(approval=Approval.PENDING, flagged=True)
        return JobFilter(state=JobState.SUCCEEDED, approval=Approval(self.value))


@router.get("/{batch_id}/review")
def get_review(
    batch_id: UUID,
    page: PageNow,
    caller: Judge,
    session: SessionNow,
    show: Annotated[Shown, Query()] = Shown.PENDING,
    cursor: Cursor = None,
) -> Response:
    """Show images of a batch to be judged."""
    batch = view_batch(session, find_batch(session, caller.tenant, batch_id))
    jobs = list_jobs(
        session, caller.tenant, batch_id, chosen=show.filter, cursor=cursor, limit=AT_ONCE
    )
    return page.show("review.html", batch=batch, jobs=jobs, show=show.value)


@router.post("/{batch_id}/review")
def post_review(
    batch_id: UUID,
    page: PageNow,
    caller: Judge,
    session: SessionNow,
    state: Annotated[Approval, Form()],
    chosen: Annotated[list[str] | None, Form()] = None,
    reason: Annotated[str, Form(max_length=500)] = "",
    show: Annotated[Shown, Form()] = Shown.PENDING,
) -> Response:
    """Judge the chosen images; to a script, refuse what somebody else has judged meanwhile."""
    message, is_whole = _judge(session, caller, batch_id, state, chosen or (), reason)
    if page.is_fragment and not is_whole:
        raise ConflictError(message)
    path = f"{WORKBENCH}/batches/{batch_id}/review?{urlencode({'show': show.value})}"
    return page.go(path, message)


@router.post("/{batch_id}/review/redo")
def post_redo(
    batch_id: UUID,
    page: PageNow,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
    chosen: Annotated[list[str] | None, Form()] = None,
    prompt: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
    show: Annotated[Shown, Form()] = Shown.PENDING,
) -> Response:
    """Make the chosen images again, with another seed, and another prompt if one is given."""
    request = RedoRequest(prompt=prompt.strip() or None)
    jobs = [_seen(one).id for one in chosen or ()]
    context, submission = redo_chosen(session, services, caller, batch_id, jobs, request)
    number = len(submission.job_ids)
    background.add_task(follow_up, services, context, submission, batch=str(batch_id))
    message = "1 image is made again." if number == 1 else f"{number} images are made again."
    path = f"{WORKBENCH}/batches/{batch_id}/review?{urlencode({'show': show.value})}"
    return page.go(path, message if jobs else "Choose some images first.")


def _judge(
    session: Session,
    caller: ApiKey,
    batch_id: UUID,
    state: Approval,
    chosen: list[str] | tuple[str, ...],
    reason: str,
) -> tuple[str, bool]:
    """Judge images; return what to say of it, and whether all of them were judged."""
    if not chosen:
        return "Choose some images first.", True
    request = JudgementsRequest(
        state=state, reason=reason.strip() or None, jobs=[_seen(one) for one in chosen]
    )
    done = judge_batch(session, caller, batch_id, request)
    number = done.changed + done.unchanged
    said = _SAID[state]
    message = f"1 image {said}." if number == 1 else f"{number} images {said}."
    if done.conflicts:
        names = ", ".join(sorted({one.approval.by or "somebody" for one in done.conflicts}))
        message += f" {len(done.conflicts)} left as {names} judged them meanwhile."
    return message, not done.conflicts


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
