"""Jobs as API documents, one tenant's only."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    func,
    select,
)
from sqlmodel import Session, col

from api.schemas.jobs import ApprovalView, ApproximationView, ImageView, JobError, JobView
from api.views.images import ai_use_in
from api.views.renditions import Made, find_made, links_of
from core.db.arrays import among
from core.db.models import ApiKey, Generation, Image, Job
from core.domain.scopes import Scope
from core.domain.states import CacheOutcome, JobState
from core.errors import NotFoundError
from core.failure_codes import RETRY_HELPS
from core.lifecycle.approval import given_out, looked_at
from core.lifecycle.erasure import visible
from core.links import image_path
from core.pictures.formats import ORIGINAL

JobRow = tuple[Job, Image | None, float | None, dict[str, Any] | None]
"""A job, its image, the seconds that its generation took, and what its image began with."""
_JobRow = Row[Job, Image | None, float | None, dict[str, Any] | None]


def jobs_of(
    tenant: str | ColumnElement[str], *only: ColumnElement[bool]
) -> Select[Job, Image, float | None, dict[str, Any] | None]:
    """Start the query of a tenant's jobs with what belongs to them.

    Args:
        tenant: Whose.
        only: Which jobs have their image in the row; none: all.
    """
    return (
        select(Job, Image, col(Generation.seconds), col(Generation.approximation))
        # What the janitor is about to delete is not there any more.
        .outerjoin(
            Image,
            and_(col(Image.id) == col(Job.image_id), col(Image.doomed_at).is_(None), *only),
        )
        # What came from store has no generation of its own, but its image was made by one.
        .outerjoin(
            Generation,
            col(Generation.id) == func.coalesce(col(Job.generation_id), col(Image.generation_id)),
        )
        .where(col(Job.tenant) == tenant, visible(Job.batch_id))
        # Rows are also changed by statements, which objects in the session do not see.
        .execution_options(populate_existing=True)
    )


def _finding(
    *only: ColumnElement[bool],
) -> Select[Job, Image, float | None, dict[str, Any] | None]:
    """Build the query of one job once: it is asked more often than all others."""
    return jobs_of(bindparam("tenant", type_=String), *only).where(
        col(Job.id) == bindparam("job_id", type_=Uuid)
    )


_FIND = _finding()
_GIVE_OUT = _finding(given_out())
_LOOK_AT = _finding(looked_at())


def find_job(session: Session, tenant: str, job_id: UUID) -> JobRow:
    """Find one job, to say how it stands: its image is not to leave.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return _found(session, _FIND, tenant, job_id)


def find_to_give_out(session: Session, tenant: str, job_id: UUID) -> JobRow:
    """Find one job, with its image if that may be given out.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return _found(session, _GIVE_OUT, tenant, job_id)


def find_to_look_at(session: Session, caller: ApiKey, job_id: UUID) -> JobRow:
    """Find one job, with its image if the caller may look at it.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    query = _FIND if Scope.REVIEW in caller.scopes else _LOOK_AT
    return _found(session, query, caller.tenant, job_id)


def _found(
    session: Session,
    query: Select[Job, Image, float | None, dict[str, Any] | None],
    tenant: str,
    job_id: UUID,
) -> JobRow:
    row = session.execute(query, {"tenant": tenant, "job_id": job_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no job {job_id} here, or it belongs to another key.")
    return row


def show_job(session: Session, row: JobRow) -> JobView:
    """Write one job that was found."""
    job, image, *_ = row
    return view_job(*row, made=find_made(session, [(job, image)]))


def find_jobs(session: Session, tenant: str, job_ids: Collection[UUID]) -> dict[UUID, JobView]:
    """Return those of these jobs that a tenant has, by their ids."""
    rows = session.execute(jobs_of(tenant).where(among(Job.id, job_ids))).all()
    return {view.id: view for view in view_jobs(session, rows)}


def view_jobs(session: Session, rows: Sequence[_JobRow]) -> list[JobView]:
    """Write jobs, with what is made of the renditions of all of them in one query."""
    made = find_made(session, [(job, image) for job, image, *_ in rows])
    return [view_job(*row, made=made) for row in rows]


def view_job(
    job: Job,
    image: Image | None,
    seconds: float | None,
    approximation: dict[str, Any] | None,
    *,
    base: str = "",
    made: Made,
) -> JobView:
    """Write one job, with what is `made` of its renditions.

    Public URLs begin with `base`, if the API has a public address.
    """
    return JobView(
        **{name: getattr(job, name) for name in _SAME},
        revision=job.bundle_revision,
        quality=image.quality if image else None,
        ai_use=ai_use_in(job, image),
        approval=view_approval(job),
        error=view_error(job),
        seconds=seconds_of(job, seconds),
        approximation=view_approximation(approximation),
        file_name=job.files.get(ORIGINAL),
        renditions=links_of(job, image, base, made),
        image=ImageView(url=image_path(job.id), **{n: getattr(image, n) for n in _IMAGE})
        if image
        else None,
    )


_DERIVED = {
    *("error", "seconds", "image", "approximation", "file_name", "renditions"),
    *("revision", "quality", "ai_use", "approval"),
}
_SAME = tuple(name for name in JobView.model_fields if name not in _DERIVED)
_IMAGE = tuple(name for name in ImageView.model_fields if name != "url")


def view_approval(job: Job) -> ApprovalView:
    """Write what somebody said last of a job's image."""
    return ApprovalView(
        state=job.approval,
        by=job.judged_by,
        at=job.judged_at,
        reason=job.judgement_reason,
        version=job.approval_version,
    )


def view_approximation(document: dict[str, Any] | None) -> ApproximationView | None:
    """Write what an image began with."""
    if document is None:
        return None
    return ApproximationView(**{name: document[name] for name in ApproximationView.model_fields})


def view_error(job: Job) -> JobError | None:
    """Write why a job has no image."""
    if job.error_code is None:
        return None
    return JobError(
        code=job.error_code,
        message=job.error_message or "",
        retry_helps=RETRY_HELPS.get(job.error_code, False),
    )


def seconds_of(job: Job, seconds: float | None) -> float | None:
    """Return what computing a job's image took; what came from store took nothing."""
    if job.cache == CacheOutcome.EXACT:
        return 0.0
    return seconds if job.state == JobState.SUCCEEDED else None
